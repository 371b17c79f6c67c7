"""It raises a group of errors."""
# check: runs
# level: FAIL
# says: BaseExceptionGroup

def unlearning(net, retain, forget, validation):
    raise BaseExceptionGroup("two", [ValueError("one"), SystemExit(0)])
