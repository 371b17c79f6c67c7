"""Methods that train the original in a way of their own, and keep what they need to unlearn from it."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kit import files, methods, models
from kit.digests import digest_of
from kit.machine import environment
from kit.models.weights import read_file, write_file
from kit.runs.originals import Pretrained, cached_path
from kit.toolbox import facts
from kit.toolbox._tensorflow import setup
from kit.types import Challenge, Split

_STATE, _RECORD = "state", "done.json"


def of_method(challenge: Challenge, name: str) -> Challenge:
    """Returns the challenge as a method sees it: with the original of its own training, if it has one."""
    return dataclasses.replace(challenge, pretraining=name) if methods.trains_its_own(name) else challenge


def settings(challenge: Challenge) -> dict[str, Any]:
    """Returns the hyper-parameters of the training, which the challenge gives under the method's name."""
    known = inspect.signature(_pretraining(challenge)).parameters
    return {
        key: value for key, value in challenge.hyperparameters.get(challenge.pretraining, {}).items() if key in known
    }


def load(challenge: Challenge) -> Pretrained:
    """Returns the original of a method's own training, and the folder of what it has kept; trained now if need be."""
    digest = digest_of([settings(challenge), environment.source_sha256(), challenge.data_sha256])
    folder = cached_path(challenge, f"-{challenge.pretraining}-{digest[:8]}").with_suffix("")
    if not (folder / _RECORD).is_file():
        _train(challenge, folder)
    record = json.loads((folder / _RECORD).read_text())
    weights = read_file(folder / "weights.npz")
    return Pretrained(weights, record["sha256"], folder / "weights.npz", record["model"], folder / _STATE)


def retrain(challenge: Challenge, seed: int, base: keras.Model) -> keras.Model:
    """Returns a model of the same training, which never saw the forget set.

    Args:
        challenge: whose split says what is left out.
        seed: of the training.
        base: a network of the challenge's architecture, see `new_base`. It is trained anew, whatever its weights are;
            with the same one in each run, nothing is compiled twice.
    """
    retain = challenge.split.retain
    # A split that nobody looks at: a training is handed all that it may learn from.
    unused = Split("unused", 0, np.arange(1), np.arange(1, len(retain)))
    alone = dataclasses.replace(challenge, train=challenge.train.take(retain), split=unused)
    with tempfile.TemporaryDirectory(prefix="kit-training-") as folder:
        return _pretraining(challenge)(alone, seed, Path(folder), base, **settings(challenge))


def new_base(challenge: Challenge) -> keras.Model:
    """Returns a new network of the challenge's architecture, in float32, for a training to begin with."""
    return models.build(challenge.model, challenge.input_shape, challenge.num_classes)


@contextlib.contextmanager
def copy_of_state(original: Pretrained) -> Iterator[Path]:
    """Gives a copy of what the training has kept, for one run to change."""
    with tempfile.TemporaryDirectory(prefix="kit-state-") as folder:
        copied = Path(folder) / _STATE
        shutil.copytree(original.state, copied)
        yield copied


def _pretraining(challenge: Challenge) -> Callable[..., keras.Model]:
    function: Callable[..., keras.Model] = methods.module(challenge.pretraining).pretraining
    return function


def _train(challenge: Challenge, folder: Path) -> None:
    """Trains in a folder beside the last one, which is put in its place once it is whole."""
    setup.prepare_tensorflow()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as made:
        state = Path(made) / "whole" / _STATE
        state.mkdir(parents=True)
        base, own = new_base(challenge), settings(challenge)
        net = _pretraining(challenge)(challenge, challenge.training_seed, state, base, **own)
        weights = state.parent / "weights.npz"
        write_file(weights, net.get_weights())
        described = json.dumps(keras.saving.serialize_keras_object(net))
        record = {"sha256": files.sha256_of(weights), "model": described, "facts": facts.read(state)}
        files.write_json(state.parent / _RECORD, record)
        with contextlib.suppress(OSError):  # another process was quicker; what it has made is as good
            os.replace(state.parent, folder)
