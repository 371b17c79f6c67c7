"""A function calls itself without end."""
# check: runs
# level: FAIL
# says: RecursionError

def deeper(net):
    return deeper(net)


def unlearning(net, retain, forget, validation):
    return deeper(net)
