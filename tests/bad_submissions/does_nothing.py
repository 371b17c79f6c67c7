"""It is not written yet."""
# check: returns_model
# level: FAIL
# says: returned nothing

def unlearning(net, retain, forget, validation):
    pass
