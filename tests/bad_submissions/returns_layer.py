"""It returns a layer in place of the model."""
# check: returns_model
# level: FAIL
# says: a Dense

def unlearning(net, retain, forget, validation):
    return net.layers[-1]
