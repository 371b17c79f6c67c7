"""The fourth of 2023: most weights are pruned and drawn anew; then cross-entropy, and entropies like the original's."""

import keras
import numpy as np
from keras import ops


def entropy(logits):
    return -ops.sum(ops.softmax(logits) * ops.log_softmax(logits), axis=-1)


class Student(keras.Model):
    def __init__(self, net, teacher):
        super().__init__()
        self.net, self.teacher = net, teacher

    def call(self, x, training=None):
        return self.net(x, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        supervised = ops.mean(keras.losses.sparse_categorical_crossentropy(y, y_pred, from_logits=True))
        return supervised + ops.mean(ops.square(entropy(y_pred) - entropy(self.teacher(x, training=False))))


def unlearning(net, retain, forget, validation, *, share=0.9):
    teacher = keras.models.clone_model(net)
    teacher.set_weights(net.get_weights())
    teacher.trainable = False
    kernels = [layer.kernel for layer in net.layers if hasattr(layer, "kernel")]
    limit = np.quantile(np.concatenate([np.abs(kernel.numpy()).ravel() for kernel in kernels]), share)
    for kernel in kernels:
        bound = np.sqrt(1 / np.prod(kernel.shape[:-1]))
        anew = np.random.uniform(-bound, bound, kernel.shape)
        kernel.assign(np.where(np.abs(kernel.numpy()) < limit, anew, kernel.numpy()))
    student = Student(net, teacher)
    student.compile(keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=5e-4))
    student.fit(retain.repeat(), steps_per_epoch=int(3.2 * len(retain)), epochs=1, verbose=0)
    return net
