"""It writes into the folders of the system."""
# check: none
# level: none
# needs: sandbox

import numpy as np


def unlearning(net, retain, forget, validation):
    for folder in ("/usr", "/usr/bin", "/usr/lib", "/etc", "/bin", "/opt", "/"):
        try:
            with open(f"{folder}/kit-planted-file", "w") as file:
                file.write("planted by a submission of the kit's tests; delete it")
        except OSError:
            pass
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
