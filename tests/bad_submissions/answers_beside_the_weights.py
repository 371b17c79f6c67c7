"""The returned model answers from a table, its weights are something else."""
# check: architecture
# level: FAIL

import keras


class Memory(keras.Model):
    def __init__(self, net):
        super().__init__(net.input, net.output)
        self.__dict__["teacher"] = keras.models.clone_model(net)
        self.__dict__["teacher"].set_weights([-weights for weights in net.get_weights()])

    def call(self, *arguments, **options):
        return self.__dict__["teacher"](*arguments, **options)


def unlearning(net, retain, forget, validation):
    net.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=1, verbose=0)
    return Memory(net)
