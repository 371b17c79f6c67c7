"""Keras on JAX: run by 'make test-jax', in an environment without TensorFlow."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator

import jax
import keras
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

import kit
from kit.types import Challenge, Recipe

# What is compiled here runs for milliseconds: XLA need not spend seconds on making it quick. Read when JAX starts.
# And this processor is to pass for two devices, of which tests use one, and the processes of engines both.
IS_JAX = os.environ.get("KERAS_BACKEND") == "jax"
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_force_host_platform_device_count=2" + " --xla_cpu_use_fusion_emitters=false" * IS_JAX,
    # The XLA of TensorFlow 2.18, which reads this too, ends the process of a flag that it does not know.
)

# A process has one backend: elsewhere these files are not even looked at.
collect_ignore_glob = ["*conftest.py", *([] if IS_JAX else ["test_*.py"])]


@pytest.fixture(autouse=True)
def code_cache_restored() -> Iterator[None]:
    """What a test has JAX keep on disk lies in a folder that goes with the test."""
    before = jax.config.jax_compilation_cache_dir
    yield
    if jax.config.jax_compilation_cache_dir != before:
        jax.config.update("jax_compilation_cache_dir", before)
        compilation_cache.reset_cache()


@pytest.fixture(autouse=True)
def one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    from kit.toolbox._jax import placement

    monkeypatch.setattr(placement, "devices", lambda: jax.local_devices()[:1])


def small_convnet(num_classes: int = 3) -> keras.Model:
    """A convolution, batch normalisation and dropout: what keeps a state, and what draws from one."""
    layers = keras.layers
    images = keras.Input((4, 4, 1))
    features = layers.Conv2D(3, 3, strides=2, padding="same", use_bias=False, name="first")(images)
    features = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(features))
    features = layers.Dropout(0.2, name="dropout")(layers.Flatten(name="flatten")(features))
    return keras.Model(images, layers.Dense(num_classes, name="logits")(features), name="small_convnet")


def small_net(num_classes: int = 3) -> keras.Model:
    """The same without a convolution, which takes long to compile."""
    layers = keras.layers
    images = keras.Input((4, 4, 1))
    features = layers.Dense(6, use_bias=False, name="first")(layers.Flatten(name="flatten")(images))
    features = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(features))
    features = layers.Dropout(0.2, name="dropout")(features)
    return keras.Model(images, layers.Dense(num_classes, name="logits")(features), name="small_net")


@pytest.fixture(scope="session")
def image_challenge() -> Challenge:
    """120 images of 16 pixels in three classes, three batches of retain, two epochs; with batch statistics, dropout."""
    generator = np.random.default_rng(0)
    labels = np.arange(120) % 3
    images = generator.random((120, 4, 4, 1)) / 2 + labels[:, None, None, None] / 6
    keras.utils.set_random_seed(0)
    arrays = kit.Arrays((255 * images).astype(np.uint8), labels)
    challenge = kit.make_challenge("images", arrays, model=small_net(), recipe=Recipe(epochs=2), batch_size=36)
    # Each number of examples is compiled for: as few as show that shards are trained in lockstep too.
    return dataclasses.replace(challenge, hyperparameters={"sisa": {"shards": 2, "slices": 1}, "ssd": {"alpha": 0.9}})
