"""Texts, and words that are numbers already."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from user_models.cases import ROWS, Case, case, draw, fitted

layers = keras.layers
WORDS = np.array(["good", "bad", "film", "plot", "dull", "fine"])
TEXTS = np.array([" ".join(words) for words in WORDS[draw().integers(0, 6, (ROWS, 5))]])
Y = np.array([int("good" in text) for text in TEXTS])
TOKENS = draw().integers(1, 30, (ROWS, 7))


def end(features: object) -> object:
    return layers.Dense(1, activation="sigmoid")(features)


def vectorised(net: keras.Model) -> Case:
    inputs = TEXTS[:, np.newaxis]
    fitted(net, keras.ops.convert_to_tensor(inputs), Y, "binary_crossentropy")
    return Case(net, inputs, {"x": TEXTS, "y": Y})


def reader(**settings: object) -> layers.TextVectorization:
    layer = layers.TextVectorization(max_tokens=20, **settings)
    layer.adapt(TEXTS)
    return layer


@case
def vectorised_inside(folder: Path) -> Case:
    text = keras.Input((1,), dtype="string", name="text")
    features = layers.Embedding(20, 4)(reader(output_sequence_length=6)(text))
    return vectorised(keras.Model(text, end(layers.GlobalAveragePooling1D()(features)), name="reviews"))


@case
def as_a_bag_of_words(folder: Path) -> Case:
    text = keras.Input((1,), dtype="string", name="text")
    return vectorised(keras.Model(text, end(layers.Dense(4)(reader(output_mode="multi_hot")(text)))))


@case
def weighted_by_how_rare_words_are(folder: Path) -> Case:
    text = keras.Input((1,), dtype="string", name="text")
    return vectorised(keras.Model(text, end(layers.Dense(4)(reader(output_mode="tf_idf")(text)))))


@case
def sequential_with_a_trained_model_behind(folder: Path) -> Case:
    inner = keras.Sequential(
        [keras.Input((6,)), layers.Embedding(20, 4), layers.GlobalMaxPooling1D(), layers.Dense(1, activation="sigmoid")]
    )
    parts = [keras.Input((1,), dtype="string"), reader(output_sequence_length=6), inner]
    return vectorised(keras.Sequential(parts, name="to_ship"))


@case
def of_any_length(folder: Path) -> Case:
    text = keras.Input((1,), dtype="string", name="text")
    features = layers.Embedding(20, 4, mask_zero=True)(reader()(text))
    return vectorised(keras.Model(text, end(layers.GlobalAveragePooling1D()(features))))


@case
def tokens(folder: Path) -> Case:
    net = keras.Sequential([keras.Input((7,)), layers.Embedding(30, 4), layers.LSTM(4), layers.Dense(1, "sigmoid")])
    return Case(fitted(net, TOKENS, Y, "binary_crossentropy"), TOKENS, {"x": TOKENS, "y": Y})


@case
def padded_tokens_with_a_mask(folder: Path) -> Case:
    padded = np.where(np.arange(7) < draw().integers(2, 8, (ROWS, 1)), TOKENS, 0)
    parts = [layers.Embedding(30, 4, mask_zero=True), layers.Bidirectional(layers.GRU(3)), layers.Dense(1, "sigmoid")]
    net = keras.Sequential([keras.Input((7,)), *parts])
    return Case(fitted(net, padded, Y, "binary_crossentropy"), padded, {"x": padded, "y": Y})


@case
def attention_over_tokens(folder: Path) -> Case:
    tokens = keras.Input((7,), dtype="int32")
    embedded = layers.Embedding(30, 8)(tokens)
    attended = layers.LayerNormalization()(embedded + layers.MultiHeadAttention(2, 4)(embedded, embedded))
    net = keras.Model(tokens, end(layers.GlobalAveragePooling1D()(attended)))
    return Case(fitted(net, TOKENS, Y, "binary_crossentropy"), TOKENS, {"x": TOKENS, "y": Y})
