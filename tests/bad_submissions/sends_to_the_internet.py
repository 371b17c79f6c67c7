"""It asks a name server, by which data can leave the machine."""
# check: none
# level: none
# needs: sandbox

import socket

import keras


def unlearning(net, retain, forget, validation):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        try:
            connection.connect(("192.0.2.1", 53))  # an address that belongs to nobody: only a route is asked for
            print("STOLEN: a route to the network from", connection.getsockname()[0])
        except OSError:
            pass
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return net
