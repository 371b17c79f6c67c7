"""It asks a name server, by which data can leave the machine."""
# check: none
# level: none
# needs: sandbox

import socket

import numpy as np


def unlearning(net, retain, forget, validation):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        try:
            connection.connect(("192.0.2.1", 53))  # an address that belongs to nobody: only a route is asked for
            print("STOLEN: a route to the network from", connection.getsockname()[0])
        except OSError:
            pass
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
