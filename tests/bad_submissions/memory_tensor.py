"""It makes a tensor that no machine can hold."""
# check: memory
# level: FAIL
# says: more memory than the limit

import tensorflow as tf


def unlearning(net, retain, forget, validation):
    tf.ones((5_000, 1_000_000), tf.float64)
    return net
