"""It catches every exception, and never ends."""
# check: time_budget
# level: FAIL
# says: took more than

import time


def unlearning(net, retain, forget, validation):
    while True:
        try:
            time.sleep(1)
        except BaseException:
            continue
