"""It waits for somebody to type."""
# check: runs
# level: FAIL
# says: EOFError

def unlearning(net, retain, forget, validation):
    epochs = int(input("How many epochs? "))
    net.fit(retain, epochs=epochs)
    return net
