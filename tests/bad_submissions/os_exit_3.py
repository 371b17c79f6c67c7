"""It ends its process with a code of its own."""
# check: runs
# level: FAIL
# says: exit code 3

import os


def unlearning(net, retain, forget, validation):
    os._exit(3)
