"""A regular expression that takes for ever."""
# check: time_budget
# level: FAIL
# says: took more than

import re


def unlearning(net, retain, forget, validation):
    re.match("(a+)+$", "a" * 60 + "b")
    return net
