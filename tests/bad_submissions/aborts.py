"""It aborts, as a failed assertion in C does."""
# check: runs
# level: FAIL
# says: SIGABRT

import os


def unlearning(net, retain, forget, validation):
    os.abort()
