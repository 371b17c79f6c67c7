"""It raises an error whose text cannot be made."""
# check: runs
# level: FAIL

class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no text")


def unlearning(net, retain, forget, validation):
    raise Unprintable
