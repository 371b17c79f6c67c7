"""It kills itself with SIGKILL."""
# check: runs
# level: FAIL
# says: SIGKILL

import os
import signal


def unlearning(net, retain, forget, validation):
    os.kill(os.getpid(), signal.SIGKILL)
    return net
