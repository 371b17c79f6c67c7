"""It returns the original as it is."""
# check: changes_weights
# level: WARN

def unlearning(net, retain, forget, validation):
    return net
