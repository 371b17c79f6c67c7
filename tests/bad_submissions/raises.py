"""It fails with an ordinary error."""
# check: runs
# level: FAIL
# says: line 7

def unlearning(net, retain, forget, validation):
    for images, labels, weights in retain:
        net.train_on_batch(images, labels)
    return net
