"""The small zoo: uncompiled Keras models that return logits.

Layers carry explicit names, so that a variable's path is the same however many models a process has built.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable

import keras
import numpy as np
from keras import layers

from kit.models import keras_settings
from kit.models.layers import FusedBatchNormalization, PaddedConv2D
from kit.types import InputError

# Of CIFAR-10's training images scaled to [0, 1], by channel, as the 2023 kit has them.
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


def mlp(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Returns a perceptron with one hidden layer of 128 units, as for `mnist-five`.

    Example:
        >>> mlp((8, 8, 1), 10).output_shape
        (None, 10)
    """
    images = keras.Input(input_shape, name="images")
    features = keras.layers.Flatten(name="flatten")(images)
    features = keras.layers.Dense(128, activation="relu", kernel_initializer="he_normal", name="hidden")(features)
    return keras.Model(images, keras.layers.Dense(num_classes, name="logits")(features), name="mlp")


def convnet(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Returns two 3x3 convolutions of stride 2 (16 and 32 filters), a hidden layer of 128 units and logits.

    Strides rather than pooling: on 8x8 images the network then trains twice as fast on a CPU and memorises as well.

    Raises:
        InputError: examples are no images (height, width, channels).

    Example:
        >>> convnet((8, 8, 1), 10).count_params()
        22602
    """
    _check_images("convnet", input_shape)
    images = keras.Input(input_shape, name="images")
    features = images
    for number, filters in enumerate((16, 32), start=1):
        features = keras.layers.Conv2D(
            filters,
            3,
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"convolution_{number}",
        )(features)
    features = keras.layers.Flatten(name="flatten")(features)
    features = keras.layers.Dense(128, activation="relu", kernel_initializer="he_normal", name="hidden")(features)
    return keras.Model(images, keras.layers.Dense(num_classes, name="logits")(features), name="convnet")


def resnet18(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Returns the ResNet-18 of the 2023 kit: torchvision's, with the stem for ImageNet (7x7, stride 2, max-pooling).

    On images of 32x32 pixels that stem throws most of them away, which is why the 2023 kit's model stays at 88 % on
    CIFAR-10. Layers have torchvision's names, with underscores for dots. Images in [0, 1] are normalised by the model
    itself. Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016; torchvision, models/resnet.py;
    differs from the latter in the running variance, which Keras keeps biased.

    Example:
        >>> resnet18((32, 32, 3), 10).count_params()
        11191242
    """
    images, features = _normalised_images("resnet18", input_shape)
    features = _convolution(features, 64, 7, 2, name="conv1", norm="bn1")
    features = layers.ReLU(name="relu")(features)
    # What a ReLU returns is never below the zeros that pad it, so that they never win in place of a missing pixel.
    features = layers.ZeroPadding2D(1, name="maxpool_padding")(features)
    features = layers.MaxPooling2D(3, strides=2, name="maxpool")(features)
    for stage, filters in enumerate((64, 128, 256, 512), start=1):
        features = _stage(features, filters, 2, 1 if stage == 1 else 2, f"layer{stage}")
    return keras.Model(images, _pooled_logits(features, num_classes), name="resnet18")


def resnet20(input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Returns the ResNet-20 for CIFAR-10: a 3x3 stem and three stages of 16, 32 and 64 filters.

    Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, section 4.2; differs from it in the two
    shortcuts that change the shape, which are 1x1 convolutions with batch normalisation here.

    Example:
        >>> resnet20((32, 32, 3), 10).count_params()
        274042
    """
    images, features = _normalised_images("resnet20", input_shape)
    features = layers.ReLU(name="relu")(_convolution(features, 16, 3, 1, name="conv1", norm="bn1"))
    for stage, filters in enumerate((16, 32, 64), start=1):
        features = _stage(features, filters, 3, 1 if stage == 1 else 2, f"layer{stage}")
    return keras.Model(images, _pooled_logits(features, num_classes), name="resnet20")


def _check_images(model: str, input_shape: tuple[int, ...]) -> None:
    if len(input_shape) != 3:
        raise InputError(
            f"The model '{model}' takes images of shape (height, width, channels), but an example has the shape "
            f"{input_shape}. Use the model 'mlp' for tables, or reshape x to (n, height, width, channels)."
        )


def _normalised_images(model: str, input_shape: tuple[int, ...]) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Returns the input and, for colour images, the input normalised by the statistics of CIFAR-10."""
    _check_images(model, input_shape)
    images = keras.Input(input_shape, name="images")
    mean, std = (CIFAR_MEAN, CIFAR_STD) if input_shape[-1] == 3 else ((0.5,), (0.5,))
    scale, offset = 1 / np.array(std), -np.array(mean) / np.array(std)
    return images, layers.Rescaling(scale.tolist(), offset.tolist(), name="normalisation")(images)


def _convolution(
    features: keras.KerasTensor, filters: int, size: int, strides: int, *, name: str, norm: str
) -> keras.KerasTensor:
    convolution = PaddedConv2D(
        filters,
        size,
        strides=strides,
        zeros=size // 2,
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
        name=name,
    )
    # PyTorch's momentum of 0.1 is Keras's of 0.9: the share that stays.
    return FusedBatchNormalization(momentum=0.9, epsilon=1e-5, name=norm)(convolution(features))


def _stage(features: keras.KerasTensor, filters: int, blocks: int, strides: int, name: str) -> keras.KerasTensor:
    """Returns basic blocks one after another; the first takes the stride."""
    for number in range(blocks):
        block, step = f"{name}_{number}", strides if number == 0 else 1
        shortcut = features
        if step != 1 or features.shape[-1] != filters:
            names = {"name": f"{block}_downsample_0", "norm": f"{block}_downsample_1"}
            shortcut = _convolution(features, filters, 1, step, **names)
        features = _convolution(features, filters, 3, step, name=f"{block}_conv1", norm=f"{block}_bn1")
        features = layers.ReLU(name=f"{block}_relu1")(features)
        features = _convolution(features, filters, 3, 1, name=f"{block}_conv2", norm=f"{block}_bn2")
        features = layers.ReLU(name=f"{block}_relu2")(layers.Add(name=f"{block}_add")([features, shortcut]))
    return features


def _pooled_logits(features: keras.KerasTensor, num_classes: int) -> keras.KerasTensor:
    features = layers.GlobalAveragePooling2D(name="avgpool")(features)
    limit = features.shape[-1] ** -0.5  # as torch.nn.Linear draws them
    uniform = [keras.initializers.RandomUniform(-limit, limit) for _ in range(2)]
    return layers.Dense(num_classes, kernel_initializer=uniform[0], bias_initializer=uniform[1], name="fc")(features)


MODELS: dict[str, Callable[[tuple[int, ...], int], keras.Model]] = {
    "mlp": mlp,
    "convnet": convnet,
    "resnet18": resnet18,
    "resnet20": resnet20,
}


def build(name: str, input_shape: tuple[int, ...], num_classes: int, precision: str = "float32") -> keras.Model:
    """Returns a new model of the zoo with freshly drawn weights.

    Args:
        name: a key of `MODELS`.
        input_shape: of one example.
        num_classes: number of logits.
        precision: `float32`; or `bfloat16` or `float16`, for the computations of all layers with float32 weights. Of
            `tf32` the layers know nothing: it is how a device multiplies float32.

    Raises:
        InputError: an unknown name, examples of a shape that the model cannot take, or other settings of Keras than the
            kit's numbers are made with.
    """
    if name not in MODELS:
        raise InputError(f"There is no model '{name}'. Expected one of {', '.join(MODELS)}. Choose one of these.")
    keras_settings.check()
    if precision in {"float32", "tf32"}:
        return MODELS[name](input_shape, num_classes)
    keras.config.set_dtype_policy(f"mixed_{precision}")
    try:
        return MODELS[name](input_shape, num_classes)
    finally:
        keras.config.set_dtype_policy("float32")


def build_described(description: str, precision: str = "float32") -> keras.Model:
    """Returns a user's model with freshly drawn weights, from the plain data that `kit.models.user.adopt` made of it.

    Raises:
        InputError: another precision than that of its layers, or other settings of Keras than the kit's numbers are
            made with.
    """
    keras_settings.check()
    if precision not in {"float32", "tf32"}:
        raise InputError(
            f"The precision {precision} was asked for with a model of your own. Expected float32, in which they are "
            "trained. Leave --precision out."
        )
    described = json.loads(description)
    if "source" not in described:
        return of_one_tensor(keras.saving.deserialize_keras_object(described, safe_mode=True))
    from kit.models import custom  # a file of the user's, who said that it may be run

    custom.enable(described["source"])
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", r"`build\(\)` was called on layer"
        )  # of a class without one: checked in adopt
        return of_one_tensor(keras.saving.deserialize_keras_object(described["model"], safe_mode=False))


def of_one_tensor(net: keras.Model) -> keras.Model:
    """Returns a model that is called with a tensor: what older versions of Keras have read expects a list of one."""
    if isinstance(net, keras.Sequential) or len(net.inputs) != 1 or len(net.outputs) != 1:
        return net
    return keras.Model(net.inputs[0], net.outputs[0], name=net.name)
