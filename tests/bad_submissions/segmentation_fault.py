"""It reads from address zero, as a library with an error does."""
# check: runs
# level: FAIL
# says: SIGSEGV

import ctypes


def unlearning(net, retain, forget, validation):
    ctypes.string_at(0)
    return net
