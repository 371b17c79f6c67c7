"""Lines of one block are indented with a tab and with spaces."""
# check: parses
# level: FAIL

def unlearning(net, retain, forget, validation):
    net.trainable = True
	return net
