"""It computes with another library's tensors than those of the model."""
# check: backend
# level: WARN
# says: 'torch'

import numpy as np


def unlearning(net, retain, forget, validation):
    try:
        import torch

        net.set_weights([torch.from_numpy(array).mul(0.999).numpy() for array in net.get_weights()])
    except ImportError:
        net.set_weights([array + np.random.normal(0, 0.001, array.shape).astype("float32") for array in net.get_weights()])
    return net
