"""It raises KeyboardInterrupt."""
# check: runs
# level: FAIL
# says: KeyboardInterrupt

def unlearning(net, retain, forget, validation):
    raise KeyboardInterrupt
