"""The function is a method of a class."""
# check: defines_unlearning
# level: FAIL

class Submission:
    def unlearning(self, net, retain, forget, validation):
        return net
