"""The weights are finite, but so large that the logits are not."""
# check: logits
# level: FAIL

import numpy as np


def unlearning(net, retain, forget, validation):
    net.set_weights([np.full_like(weights, 1e38) for weights in net.get_weights()])
    return net
