"""Images, and networks that were trained on others before."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from user_models.cases import ROWS, Case, case, draw, fitted

layers = keras.layers
IMAGES = draw().integers(0, 256, (ROWS, 8, 8, 3), dtype=np.uint8)
FLOATS = (IMAGES / 255).astype("float32")
Y = np.arange(ROWS) % 3
LOSS = "sparse_categorical_crossentropy"


def end(features: object) -> object:
    return layers.Dense(3, activation="softmax")(features)


def first_blocks(whole: keras.Model, last: str) -> keras.Model:
    """Returns a frozen base, up to a layer of a published network: it has each kind of its layers, fewer times."""
    features = layers.GlobalAveragePooling2D()(whole.get_layer(last).output)
    base = keras.Model(whole.inputs, features, name=whole.name)
    assert {type(layer) for layer in base.layers} >= {type(layer) for layer in whole.layers}
    base.trainable = False
    return base


@case
def bytes_scaled_by_the_user(folder: Path) -> Case:
    parts = [layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3, activation="softmax")]
    net = keras.Sequential([keras.Input((8, 8, 3)), *parts])
    return Case(fitted(net, FLOATS, Y, LOSS), FLOATS, {"x": IMAGES, "y": Y})


@case
def bytes_scaled_inside_the_model(folder: Path) -> Case:
    parts = [layers.Rescaling(1 / 127.5, offset=-1), layers.Conv2D(4, 3), layers.Flatten()]
    net = keras.Sequential([keras.Input((8, 8, 3)), *parts, layers.Dense(3, activation="softmax")])
    x = IMAGES.astype("float32")
    return Case(fitted(net, x, Y, LOSS), x, {"x_image": IMAGES, "y": Y})


@case
def without_an_axis_of_channels(folder: Path) -> Case:
    x = FLOATS[..., 0]
    net = keras.Sequential([keras.Input((8, 8)), layers.Flatten(), layers.Dense(3, activation="softmax")])
    return Case(fitted(net, x, Y, LOSS), x, {"x": x, "y": Y})


@case
def augmented_inside(folder: Path) -> Case:
    parts = [layers.RandomFlip(), layers.RandomRotation(0.1), layers.Conv2D(4, 3), layers.BatchNormalization()]
    net = keras.Sequential([keras.Input((8, 8, 3)), *parts, layers.Flatten(), layers.Dense(3, activation="softmax")])
    return Case(fitted(net, FLOATS, Y, LOSS), FLOATS, {"x": FLOATS, "y": Y})


@case
def behind_a_frozen_base(folder: Path) -> Case:
    base = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization()], name="base")
    base.trainable = False
    images = keras.Input((8, 8, 3))
    features = layers.GlobalAveragePooling2D()(base(images, training=False))
    return Case(fitted(keras.Model(images, end(features)), FLOATS, Y, LOSS), FLOATS, {"x": FLOATS, "y": Y})


@case
def behind_an_efficientnet_that_was_adapted_by_nobody(folder: Path) -> Case:
    whole = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    base = first_blocks(whole, "block2b_add")
    images = keras.Input((32, 32, 3))
    x = draw().uniform(0, 255, (ROWS, 32, 32, 3)).astype("float32")
    return Case(fitted(keras.Model(images, end(base(images, training=False))), x, Y, LOSS), x, {"x": x, "y": Y})


@case
def behind_a_mobilenet_with_its_preprocessing(folder: Path) -> Case:
    whole = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3), alpha=0.35)
    base = first_blocks(whole, "block_2_add")
    images = keras.Input((32, 32, 3))
    scaled = keras.applications.mobilenet_v2.preprocess_input(images)
    x = draw().uniform(0, 255, (ROWS, 32, 32, 3)).astype("float32")
    return Case(fitted(keras.Model(images, end(base(scaled, training=False))), x, Y, LOSS), x, {"x": x, "y": Y})


@case
def an_image_and_a_table(folder: Path) -> Case:
    images, table = keras.Input((8, 8, 3), name="image"), keras.Input((4,), name="table")
    features = layers.Concatenate()([layers.Flatten()(layers.Conv2D(2, 3)(images)), table])
    net = keras.Model({"image": images, "table": table}, end(features))
    inputs = {"image": FLOATS, "table": draw().normal(size=(ROWS, 4)).astype("float32")}
    fitted(net, inputs, Y, LOSS)
    return Case(net, inputs, {"x_image": FLOATS, "x_table": inputs["table"], "y": Y})


@case
def with_sizes_left_open(folder: Path) -> Case:
    images = keras.Input((None, None, 3))
    net = keras.Model(images, end(layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(images))))
    return Case(fitted(net, FLOATS, Y, LOSS), FLOATS, {"x": FLOATS, "y": Y})


@case
def one_answer_for_each_pixel(folder: Path) -> Case:
    net = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 1, activation="softmax")])
    return Case(net, FLOATS, {"x": FLOATS, "y": Y}, refused=("several numbers for each place",))
