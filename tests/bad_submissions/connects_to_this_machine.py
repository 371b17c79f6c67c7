"""It connects to a server on the machine that it runs on."""
# check: none
# level: none
# needs: sandbox

import socket

import numpy as np


def unlearning(net, retain, forget, validation):
    try:
        with socket.create_connection(("127.0.0.1", 23613), timeout=2) as connection:
            print("STOLEN:", connection.recv(100).decode())
    except OSError:
        pass
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
