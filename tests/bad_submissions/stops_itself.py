"""It stops its process, which then waits to be continued."""
# check: time_budget
# level: FAIL
# says: took more than

import os
import signal


def unlearning(net, retain, forget, validation):
    os.kill(os.getpid(), signal.SIGSTOP)
    return net
