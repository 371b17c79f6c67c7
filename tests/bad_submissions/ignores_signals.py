"""It ignores all requests to end, and never ends."""
# check: time_budget
# level: FAIL
# says: took more than

import signal
import time


def unlearning(net, retain, forget, validation):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(1)
