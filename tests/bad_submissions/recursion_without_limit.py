"""A function calls itself without end, and the limit is lifted."""
# check: runs
# level: FAIL

import re
import sys


def deeper(text):
    return re.sub("a", lambda match: deeper(text), text)


def unlearning(net, retain, forget, validation):
    sys.setrecursionlimit(10**9)
    return deeper("a")
