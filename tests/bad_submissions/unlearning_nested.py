"""The function is defined inside another one."""
# check: defines_unlearning
# level: FAIL

def make():
    def unlearning(net, retain, forget, validation):
        return net

    return unlearning
