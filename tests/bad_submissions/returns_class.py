"""It returns a class, not an object."""
# check: returns_model
# level: FAIL
# says: returned a

def unlearning(net, retain, forget, validation):
    return type(net)
