"""A class is called 'unlearning'."""
# check: defines_unlearning
# level: FAIL

class unlearning:
    def __call__(self, net, retain, forget, validation):
        return net
