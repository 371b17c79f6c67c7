"""It trains without compiling the net first."""
# check: runs
# level: FAIL
# says: compile

def unlearning(net, retain, forget, validation):
    net.fit(retain, epochs=1, verbose=0)
    return net
