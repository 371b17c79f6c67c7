"""The file is saved in Latin-1 without saying so."""
# check: parses
# level: FAIL

# grüße
def unlearning(net, retain, forget, validation):
    return net
