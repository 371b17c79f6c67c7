"""It imports a library that is not installed."""
# check: imports
# level: FAIL
# says: No module named

import numpy as np
import torch_unlearning_toolbox_that_does_not_exist


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
