"""It returns the path of a file."""
# check: returns_model
# level: FAIL
# says: a str

def unlearning(net, retain, forget, validation):
    return "model.keras"
