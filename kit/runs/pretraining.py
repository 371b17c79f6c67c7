"""Methods that train the original in a way of their own, and keep what they need to unlearn from it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit import methods
from kit.machine import environment, quiet
from kit.models.weights import read_checked_file, write_file
from kit.runs import originals
from kit.runs.originals import Pretrained, cached_path
from kit.runs.settings import of_pretraining
from kit.storage import files, seals
from kit.storage.digests import digest_of
from kit.storage.scratch import Scratch
from kit.types import Challenge, FailedRun, InputError, Split

if TYPE_CHECKING:
    import keras

_STATE, _WEIGHTS, _RECORD = "state", "weights.npz", "done.json"


def original_of(challenge: Challenge, method: str = "") -> Pretrained:
    """Returns the weights of the original model that a method starts from.

    Args:
        challenge: what the original has learnt.
        method: the one whose own training it has (`Entry.pretraining`); empty for the challenge's recipe.
    """
    return load(challenge, method) if method else originals.load(challenge)


def load(challenge: Challenge, method: str) -> Pretrained:
    """Returns the original of a method with a training of its own; trained now if need be.

    Args:
        challenge: what is trained on.
        method: name of a built-in method with a function `pretraining`.

    Returns:
        The weights, and the folder with what the training has kept for the method.

    Raises:
        FailedRun: what is kept is damaged, or sealed in another home.
    """
    digest = digest_of([of_pretraining(method, challenge), environment.source_sha256(), challenge.data_sha256])
    folder = cached_path(challenge, f"-{method}-{digest[:8]}").with_suffix("")
    if not (folder / _RECORD).is_file():
        _train(challenge, method, folder)
    record = seals.read_json(folder / _RECORD, f"pretrained/{folder.name}")
    if record is None or record["files"] != _digests(folder):
        raise FailedRun(
            f"What the training of '{method}' has kept in '{folder}' is damaged, or an older kit or one with another "
            "KIT_HOME wrote it. Expected it as this one writes it. Delete the folder, and the kit trains the model "
            "again."
        )
    sha256 = record["files"][_WEIGHTS]
    weights = read_checked_file(folder / _WEIGHTS, sha256)
    name = str(json.loads(record["model"])["config"]["name"])
    return Pretrained(weights, sha256, folder / _WEIGHTS, name, record["model"], folder / _STATE)


def _digests(folder: Path) -> dict[str, str]:
    """Returns the digests of all files of a training but its record, by their place in its folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / _RECORD)
    return {path.relative_to(folder).as_posix(): files.sha256_of(path) for path in paths}


def retrain(challenge: Challenge, method: str, seed: int, base: keras.Model) -> keras.Model:
    """Returns a model of a method's own training, which never saw the forget set.

    Args:
        challenge: whose split says what is left out.
        method: whose training it is.
        seed: of the training.
        base: a network of the challenge's architecture, see `new_base`. It is trained anew, whatever its weights are;
            with the same one in each run, nothing is compiled twice.
    """
    retain = challenge.split.retain
    # A split that nobody looks at: a training is handed all that it may learn from.
    unused = Split("unused", 0, np.arange(1), np.arange(1, len(retain)))
    alone = dataclasses.replace(challenge, train=challenge.train.take(retain), split=unused)
    with Scratch("kit-training-") as folder:
        return _trained(method, alone, seed, folder.path, base)


def new_base(challenge: Challenge) -> keras.Model:
    """Returns a new network of the challenge's architecture, in float32, for a training to begin with.

    Args:
        challenge: whose `model` and `training_seed` it is made with.
    """
    return originals.build(challenge, "float32")


@contextlib.contextmanager
def copy_of_state(original: Pretrained) -> Iterator[Path]:
    """Gives a copy of what a training has kept, for one run to change; it is removed after the block.

    Args:
        original: what `load` returned.

    Returns:
        A context manager with the folder.
    """
    with Scratch("kit-state-") as folder:
        copied = folder.path / _STATE
        shutil.copytree(original.state, copied)
        yield copied


def _trained(method: str, challenge: Challenge, seed: int, folder: Path, base: keras.Model) -> keras.Model:
    """Returns the model of a method's own training.

    Raises:
        FailedRun: it failed, on an architecture that it was not made for, say.
    """
    function: Callable[..., keras.Model] = methods.module(method).pretraining
    try:
        return function(challenge, seed, folder, base, **of_pretraining(method, challenge))
    except (InputError, FailedRun):
        raise
    except Exception as error:  # Keras's and NumPy's, of which there are many kinds
        reason = (str(error).strip().splitlines() or [""])[0]
        raise FailedRun(
            f"The training that '{method}' begins with failed with {type(error).__name__}: {reason} Expected a model "
            "of this architecture to be trained. Leave the method out, or use another model; --debug shows the whole "
            "traceback."
        ) from error


def _train(challenge: Challenge, method: str, folder: Path) -> None:
    """Trains in a folder beside the last one, which is put in its place once it is whole."""
    files.require_cache()
    quiet.load_tensorflow()
    import keras

    from kit.runs import process

    process.prepare()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Scratch(f".{folder.name}-", folder.parent) as temporary:
        state = temporary.path / "whole" / _STATE
        state.mkdir(parents=True)
        net = _trained(method, challenge, challenge.training_seed, state, new_base(challenge))
        write_file(state.parent / _WEIGHTS, net.get_weights())
        described = json.dumps(keras.saving.serialize_keras_object(net))
        record = {"model": described, "files": _digests(state.parent)}
        seals.write_json(state.parent / _RECORD, f"pretrained/{folder.name}", record)
        with contextlib.suppress(OSError):  # another process was quicker; what it has made is as good
            os.replace(state.parent, folder)
