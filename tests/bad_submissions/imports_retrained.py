"""It imports the kit's reader of stored retrained models."""
# check: evaluation_data
# level: WARN
# says: kit.runs.retrained

import numpy as np


def unlearning(net, retain, forget, validation):
    try:
        from kit.runs import retrained

        print("STOLEN:", retrained)
    except ImportError:
        pass
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
