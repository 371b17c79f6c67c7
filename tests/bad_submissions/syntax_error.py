"""A colon is missing."""
# check: parses
# level: FAIL

import keras


def unlearning(net, retain, forget, validation)
    return net
