"""The returned model answers from a table, its weights are something else."""
# check: architecture
# level: FAIL

import keras
import numpy as np


class Memory(keras.Model):
    def __init__(self, net):
        super().__init__(net.input, net.output)
        self.__dict__["teacher"] = keras.models.clone_model(net)
        self.__dict__["teacher"].set_weights([-weights for weights in net.get_weights()])

    def call(self, *arguments, **options):
        return self.__dict__["teacher"](*arguments, **options)


def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(0, 0.001, array.shape) for array in net.get_weights()])
    return Memory(net)
