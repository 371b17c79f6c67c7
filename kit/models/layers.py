"""Keras layers that compute what PyTorch's do, and no slower: padded convolution, batch normalisation."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="kit")
class PaddedConv2D(keras.layers.Conv2D):
    """A square convolution without bias that pads all sides alike, as `torch.nn.Conv2d` does.

    Keras's own `same` puts the odd row of zeros at the end where a stride is taken, which is another function: weights
    trained in PyTorch would give other logits.

    Deep in an ImageNet network, 32x32 inputs have shrunk to 2x2 pixels and then to one. Most products of a 3x3 kernel
    are with padding there. Where the image has fewer pixels than the kernel has taps, the convolution is therefore
    computed as one matrix product over the pairs of pixels that meet; the taps that only ever see padding then have a
    gradient of exactly 0, and the result is that of the plain convolution up to rounding.

    Args:
        filters, kernel_size, strides: as in `keras.layers.Conv2D`; kernel and strides are square.
        zeros: rows and columns of zeros on each side.
        options: further ones of `keras.layers.Conv2D`, such as `kernel_initializer` and `name`.

    Example:
        >>> tuple(PaddedConv2D(4, 3, strides=2, zeros=1)(np.ones((1, 8, 8, 2), "float32")).shape)
        (1, 4, 4, 4)
    """

    def __init__(self, filters: int, kernel_size: Any, *, strides: Any = 1, zeros: int = 0, **options: Any) -> None:
        """Takes further options as Keras's layers do, so that Keras can copy and load this one."""
        options = {"use_bias": False, "data_format": "channels_last"} | options
        super().__init__(filters, kernel_size, strides=strides, padding="valid", **options)
        self.zeros = zeros
        plain = self.groups == 1 and self.dilation_rate == (1, 1) and self.data_format == "channels_last"
        plain = plain and not self.use_bias and self.activation is keras.activations.linear
        if not plain or len({*self.kernel_size}) > 1 or len({*self.strides}) > 1:
            raise ValueError(
                f"The layer '{self.name}' was given a bias, activation, groups, dilation, channels first, or a height "
                "that differs from the width. Expected a plain square convolution. Use keras.layers.Conv2D for others."
            )

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Returns (batch, height, width, filters)."""
        height, width = (self._length(pixels) for pixels in input_shape[1:3])
        return (input_shape[0], height, width, self.filters)

    def _length(self, pixels: int) -> int:
        length: int = (pixels + 2 * self.zeros - self.kernel_size[0]) // self.strides[0] + 1
        return length

    def call(self, inputs: Any) -> Any:
        """Returns the convolution of (batch, height, width, channels)."""
        height, width = inputs.shape[1:3]
        if height * width < self.kernel_size[0] ** 2:
            return self._as_one_product(inputs)
        missing = [self._missing(pixels) for pixels in (height, width)]
        half = self.kernel_size[0] // 2
        if missing == [(half, half)] * 2 and self.strides == (1, 1) and self.kernel_size[0] % 2:
            return self.convolution_op(inputs, self.kernel, padding="same")
        if missing != [(0, 0)] * 2:
            inputs = ops.pad(inputs, [(0, 0), *missing, (0, 0)])
        return self.convolution_op(inputs, self.kernel)

    def convolution_op(self, inputs: Any, kernel: Any, padding: str = "valid") -> Any:
        """Returns the convolution of images that are padded already, or are to be in Keras's own way."""
        return ops.conv(inputs, kernel, strides=self.strides[0], padding=padding)

    def _missing(self, pixels: int) -> tuple[int, int]:
        """Returns the rows of zeros before and after that any output reaches; a stride may skip the last ones."""
        reached = (self._length(pixels) - 1) * self.strides[0] + self.kernel_size[0] - self.zeros
        return self.zeros, max(0, reached - pixels)

    def _as_one_product(self, inputs: Any) -> Any:
        height, width, channels = inputs.shape[1:]
        meeting = np.einsum("iot,jqu->ijoqtu", self._meeting(height), self._meeting(width))
        in_pixels, out_pixels = height * width, self._length(height) * self._length(width)
        meeting = meeting.reshape(in_pixels * out_pixels, -1).astype(np.float32)
        kernel = ops.reshape(self.kernel, (meeting.shape[1], channels * self.filters))
        blocks = ops.matmul(ops.cast(meeting, kernel.dtype), kernel)
        if out_pixels > 1:
            blocks = ops.transpose(ops.reshape(blocks, (in_pixels, out_pixels, channels, self.filters)), (0, 2, 1, 3))
        matrix = ops.reshape(blocks, (in_pixels * channels, out_pixels * self.filters))
        outputs = ops.matmul(ops.reshape(inputs, (-1, in_pixels * channels)), matrix)
        return ops.reshape(outputs, (-1, self._length(height), self._length(width), self.filters))

    def _meeting(self, pixels: int) -> np.ndarray:
        """Returns booleans (pixels, outputs, taps): which tap joins which pixel to which output, along one axis."""
        pixel, output, tap = np.ogrid[:pixels, : self._length(pixels), : self.kernel_size[0]]
        meeting: np.ndarray = pixel == output * self.strides[0] + tap - self.zeros
        return meeting

    def get_config(self) -> dict[str, Any]:
        """Returns what the layer can be rebuilt from."""
        config = super().get_config()
        return {name: value for name, value in config.items() if name != "padding"} | {"zeros": self.zeros}


@keras.saving.register_keras_serializable(package="kit")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation of images by TensorFlow's fused operation.

    Keras spells it out in a dozen operations, which on a CPU take a quarter of a training step of a narrow network, and
    in inference a fifth.
    The result is the same up to rounding, and so are the running statistics: of the biased variance, where PyTorch
    keeps the unbiased one (n / (n - 1) times as large).

    Example:
        >>> layer = FusedBatchNormalization()
        >>> images = np.random.default_rng(0).normal(3.0, 2.0, size=(8, 4, 4, 2)).astype("float32")
        >>> normalised = keras.ops.convert_to_numpy(layer(images, training=True))
        >>> bool(abs(normalised.mean()) < 1e-5), bool(abs(normalised.std() - 1) < 1e-3)
        (True, True)
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Returns `inputs`, normalised over all axes but the last."""
        usual = self.axis in (-1, 3) and self.scale and self.center and not self.synchronized
        fused = usual and mask is None and len(inputs.shape) == 4 and inputs.dtype != "float64"
        if not fused or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        by_batch = bool(training and self.trainable)
        running_statistics = [ops.cast(statistic, "float32") for statistic in (self.moving_mean, self.moving_variance)]
        mean, variance = [tf.zeros(0), tf.zeros(0)] if by_batch else running_statistics
        normalised, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=ops.cast(self.gamma, "float32"),
            offset=ops.cast(self.beta, "float32"),
            mean=mean,
            variance=variance,
            epsilon=self.epsilon,
            is_training=by_batch,
        )
        if not by_batch:
            return normalised
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
        variance *= (count - 1) / count  # the operation gives the unbiased one
        for running, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            running.assign(running * self.momentum + batch * (1 - self.momentum))
        return normalised


@keras.saving.register_keras_serializable(package="kit")
class AveragedProbabilities(keras.layers.Layer):
    """The mean of several models' probabilities, given their logits and returned as logits: its logarithm.

    Example:
        >>> sure, unsure = np.array([[30.0, 0.0]], "float32"), np.zeros((1, 2), "float32")
        >>> np.exp(AveragedProbabilities()([sure, unsure])).round(4).tolist()
        [[0.75, 0.25]]
    """

    def call(self, inputs: Any) -> Any:
        """Returns (batch, classes) of a list of such arrays."""
        each = ops.stack([ops.log_softmax(logits, axis=-1) for logits in inputs])
        return ops.logsumexp(each, axis=0) - np.log(len(inputs))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Returns (batch, classes)."""
        return tuple(input_shape[0])


@keras.saving.register_keras_serializable(package="kit")
class Columns(keras.layers.Layer):
    """Some columns of a table, in the shape and of the type that a model's input had.

    Args:
        start, stop: the first column, and the one behind the last.
        shape: of what an example has there.
        kind: dtype that is given on; what was no number of its kind is rounded.
        options: further ones of `keras.layers.Layer`, such as `name`.

    Example:
        >>> Columns(1, 3, (2, 1), "int32")(np.array([[0.5, 7.0, 8.0]], "float32")).numpy().tolist()
        [[[7], [8]]]
    """

    def __init__(self, start: int, stop: int, shape: Any, kind: str, **options: Any) -> None:
        """Takes further options as Keras's layers do, so that Keras can copy and load this one."""
        super().__init__(**options)
        self.start, self.stop, self.shape, self.kind = start, stop, tuple(shape), kind

    def call(self, inputs: Any) -> Any:
        """Returns (batch, *shape) of (batch, columns)."""
        chosen = ops.reshape(inputs[:, self.start : self.stop], (-1, *self.shape))
        return ops.cast(chosen if self.kind.startswith("float") else ops.round(chosen), self.kind)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the shape and the type of what is given on."""
        return keras.KerasTensor((inputs.shape[0], *self.shape), dtype=self.kind)

    def get_config(self) -> dict[str, Any]:
        """Returns what Keras needs to build the same layer again."""
        config: dict[str, Any] = super().get_config()
        return config | {"start": self.start, "stop": self.stop, "shape": list(self.shape), "kind": self.kind}


@keras.saving.register_keras_serializable(package="kit")
class LogOdds(keras.layers.Layer):
    """Logits whose softmax, or sigmoid, are the probabilities that it is given.

    For models that give probabilities from within, where no last activation can be taken off. As in Keras's own losses
    of probabilities, these are kept 1e-7 away from 0 and 1.

    Args:
        link: `softmax` for probabilities of classes, which sum to 1; `sigmoid` for those of labels one by one.
        options: further ones of `keras.layers.Layer`, such as `name`.

    Example:
        >>> logits = LogOdds("sigmoid")(np.array([[0.5, 0.9]], "float32"))
        >>> np.allclose(keras.ops.sigmoid(logits), [[0.5, 0.9]])
        True
    """

    def __init__(self, link: str, **options: Any) -> None:
        """Takes further options as Keras's layers do, so that Keras can copy and load this one."""
        super().__init__(**options)
        self.link = link

    def call(self, inputs: Any) -> Any:
        """Returns logits (batch, classes) of probabilities."""
        return self.of(inputs, self.link)

    @staticmethod
    def of(probabilities: Any, link: str) -> Any:
        """Returns logits of probabilities, of the same shape."""
        probabilities = ops.clip(probabilities, 1e-7, 1 - 1e-7)
        logs = ops.log(probabilities)
        return logs if link == "softmax" else logs - ops.log1p(-probabilities)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Returns (batch, classes)."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns what Keras needs to build the same layer again."""
        config: dict[str, Any] = super().get_config()
        return config | {"link": self.link}


@keras.saving.register_keras_serializable(package="kit")
class LogOddsOfParts(keras.layers.Layer):
    """`LogOdds` of some columns; the others stay as they are.

    Args:
        parts: (start, end, link) of columns that are probabilities, in order.
        options: further ones of `keras.layers.Layer`, such as `name`.

    Example:
        >>> logits = LogOddsOfParts([(1, 2, "sigmoid")])(np.array([[7.0, 0.5]], "float32"))
        >>> np.array(logits).tolist()
        [[7.0, 0.0]]
    """

    def __init__(self, parts: Any, **options: Any) -> None:
        """Takes further options as Keras's layers do, so that Keras can copy and load this one."""
        super().__init__(**options)
        self.parts = [(int(start), int(end), str(link)) for start, end, link in parts]

    def call(self, inputs: Any) -> Any:
        """Returns (batch, columns)."""
        columns, done = [], 0
        for start, end, link in self.parts:
            columns += [inputs[:, done:start], LogOdds.of(inputs[:, start:end], link)]
            done = end
        return ops.concatenate([*columns, inputs[:, done:]], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Returns (batch, columns)."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns what Keras needs to build the same layer again."""
        config: dict[str, Any] = super().get_config()
        return config | {"parts": [list(part) for part in self.parts]}


@keras.saving.register_keras_serializable(package="kit")
class Unchanged(keras.layers.Layer):
    """What it is given: in place of a softmax that is taken off from among several outputs.

    Example:
        >>> np.array(Unchanged()(np.array([[7.0]]))).tolist()
        [[7.0]]
    """

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Returns its inputs; a softmax may have been called with a mask."""
        del mask
        return inputs

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Returns the shape of its inputs."""
        return tuple(input_shape)
