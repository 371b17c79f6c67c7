"""The function has another name."""
# check: defines_unlearning
# level: FAIL

def unlearn(net, retain, forget, validation):
    return net
