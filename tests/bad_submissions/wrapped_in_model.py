"""It wraps the net in a model class of its own."""
# check: architecture
# level: FAIL

import keras


class Unlearned(keras.Model):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def call(self, images, training=False):
        return keras.ops.softmax(self.net(images, training=training))


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return Unlearned(net)
