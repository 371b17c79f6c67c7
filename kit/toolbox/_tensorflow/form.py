"""Which form a network's training is compiled in: TensorFlow's operations, or one XLA computation.

On one thread of a processor (`benchmarks/forms.py`), XLA takes a step of the small networks of populations in a third
to two thirds of the time: there, half of it passes between operations. Convolutions are then products of patches, since
XLA's own are slow, and patches cost memory: from some size on, oneDNN's convolutions are quicker. The form depends on
the network and the kind of device alone, as its bits do; `KIT_XLA=never` chooses operations throughout.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from kit.machine import xla
from kit.models.layers import Columns, PaddedConv2D
from kit.toolbox import blocks

# Numbers in the patches of one example, all convolutions together: XLA wins 1.4 times at 8,820, nothing at 11,520.
MOST_PATCHES = 10_000

_LAYERS = (
    keras.layers.InputLayer,
    keras.layers.Dense,
    keras.layers.Conv2D,
    PaddedConv2D,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.Rescaling,
    keras.layers.Normalization,
    Columns,
    keras.layers.Dropout,
    keras.layers.Add,
    keras.layers.Concatenate,
)


def is_fused(net: keras.Model) -> bool:
    """Returns whether the steps of a network are compiled by XLA, as one computation.

    Args:
        net: of known layers that treat each example by itself, with float32 variables: statistics of a batch would be
            those of a padded one, and of other layers nobody has measured anything.

    Raises:
        InputError: the variable `KIT_XLA` is neither `auto` nor `never`.
    """
    on_processor = not tf.config.list_physical_devices("GPU")
    return xla.is_allowed() and on_processor and _is_known(net) and patches(net) <= MOST_PATCHES


def patches(net: keras.Model) -> int:
    """Returns the numbers in the patches of one example's convolutions: outputs' pixels times taps times channels.

    Example:
        >>> from kit.models import convnet
        >>> patches(convnet((8, 8, 1), 10))  # 4 x 4 pixels of 3 x 3 x 1, and 2 x 2 of 3 x 3 x 16
        720
    """
    kernels = [
        (layer.output.shape[1:-1], layer.kernel.shape[:-1])
        for layer in blocks.leaves(net)
        if isinstance(layer, keras.layers.Conv2D)
    ]
    return sum(int(tf.TensorShape([*pixels, *taps]).num_elements()) for pixels, taps in kernels)


def _is_known(net: keras.Model) -> bool:
    is_graph = isinstance(net, keras.Sequential) or type(net).__name__ == "Functional"  # it has no public name
    return is_graph and all(
        type(layer) in _LAYERS
        and layer.compute_dtype == "float32"
        and layer.activity_regularizer is None
        and not getattr(layer, "lora_enabled", False)
        and (not isinstance(layer, keras.layers.Conv2D) or _is_plain(layer))
        for layer in blocks.leaves(net)
    )


def _is_plain(layer: keras.layers.Conv2D) -> bool:
    plain = layer.groups == 1 and layer.dilation_rate == (1, 1) and layer.data_format == "channels_last"
    return bool(plain and None not in layer.output.shape[1:])
