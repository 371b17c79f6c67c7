"""It waits for a lock that it holds."""
# check: time_budget
# level: FAIL
# says: took more than

import threading


def unlearning(net, retain, forget, validation):
    lock = threading.Lock()
    with lock, lock:
        return net
