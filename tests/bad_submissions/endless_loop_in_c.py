"""A loop without an end inside a C function, which no signal handler interrupts."""
# check: time_budget
# level: FAIL
# says: took more than

import itertools


def unlearning(net, retain, forget, validation):
    sum(itertools.repeat(0))
    return net
