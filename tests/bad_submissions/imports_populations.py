"""It imports the kit's runs, which can retrain."""
# check: evaluation_data
# level: WARN
# says: kit.runs.population

import numpy as np


def unlearning(net, retain, forget, validation):
    try:
        import kit.runs.population as innocent

        print("STOLEN:", innocent)
    except ImportError:
        pass
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return net
