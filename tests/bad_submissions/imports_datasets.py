"""It imports the kit's reader of published data, test examples included."""
# check: evaluation_data
# level: WARN
# says: kit.datasets

import numpy as np


def unlearning(net, retain, forget, validation):
    try:
        from kit import datasets

        print("STOLEN:", datasets)
    except ImportError:
        pass
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
