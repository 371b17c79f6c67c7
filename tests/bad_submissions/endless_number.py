"""A power that takes for ever."""
# check: time_budget
# level: FAIL
# says: took more than

def unlearning(net, retain, forget, validation):
    7 ** (7**10)
    return net
