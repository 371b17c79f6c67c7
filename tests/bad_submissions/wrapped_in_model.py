"""It wraps the net in a model class of its own."""
# check: architecture
# level: FAIL

import keras
import numpy as np


class Unlearned(keras.Model):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def call(self, images, training=False):
        return keras.ops.softmax(self.net(images, training=training))


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return Unlearned(net)
