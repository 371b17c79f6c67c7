"""The program of a contained process: for each seed asked for, a fresh process that imports a submission and calls it.

It is told what to do on its standard input and answers on its standard output, one line of JSON each; what the
submission prints goes elsewhere. It has the four arguments of the contract and nothing else: no test set, no indices
of a split, no retrained model. Nothing that it says is believed without a check (`kit.submission.contained`).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import psutil

from kit.machine.process_tree import descendants
from kit.submission import allowed

# Where a process that has TensorFlow may be forked; elsewhere it makes one run and ends.
FORKS = sys.platform == "linux"
PROBED = 4  # examples whose outputs are compared with those of the weights alone
_TEXT = 400


def _private_streams() -> tuple[TextIO, int]:
    """Returns requests and replies; the submission's own input is empty, and its output goes where errors go."""
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    replies = os.dup(1)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return requests, replies


def _where(error: BaseException, folder: Path) -> str:
    """Returns the innermost line of the submission's own files, e.g. `my_method.py, line 7`."""
    frames = traceback.extract_tb(error.__traceback__)
    own_frames = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)]
    return f"{Path(own_frames[-1].filename).name}, line {own_frames[-1].lineno}" if own_frames else ""


def _described(error: BaseException, folder: Path) -> dict[str, str]:
    try:
        lines = [line for line in str(error).splitlines() if line.strip()] or [""]
    except Exception:  # a stranger's exception can refuse to be printed
        lines = [""]
    text = lines[-1 if lines[0].startswith("in user code") else 0].strip()  # TensorFlow quotes the code first
    return {"error": type(error).__name__, "text": text[:_TEXT], "where": _where(error, folder)}


def _surroundings(folders: Iterable[Path]) -> dict[str, Any]:
    """Returns what an import must leave as it is, by name."""
    listing = {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for folder in folders
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts and not path.is_dir()
    }
    return {
        "the random state of Python": hash(random.getstate()),
        "the random state of NumPy": hashlib.sha256(np.random.get_state()[1].tobytes()).hexdigest(),  # type: ignore[index]
        "environment variables": dict(os.environ),
        "the working directory": os.getcwd(),
        "files": listing,
        "threads": threading.active_count(),
    }


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [name for name, value in before.items() if after[name] != value]


class Child:
    """What a contained process is handed, and one run with it."""

    def __init__(self, folder: Path) -> None:
        """Imports the libraries and reads what is handed over; nothing is computed."""
        self.given_folder, self.work_folder = folder / "given", folder / "work"
        self.settings = json.loads((self.given_folder / "settings.json").read_text())
        self.submission = self.given_folder / self.settings["folder"]
        from kit.toolbox import _backend, setup

        setup.prepare()
        _backend.tf_data()  # beside another backend too, TensorFlow is there before a run is billed
        from tqdm import tqdm

        from kit.models import zoo
        from kit.models.undrawn import undrawn
        from kit.models.weights import in_order
        from kit.storage import files
        from kit.submission.call import SETS
        from kit.submission.importing import import_file
        from kit.types import Arrays

        tqdm.monitor_interval = 0  # its thread would be taken for one that a submission left behind
        stored = files.read_npz(self.given_folder / "inputs.npz")
        self.weights = in_order({name: array for name, array in stored.items() if name.isdecimal()})
        self.start = [stored.get(f"start_{number}") for number in range(len(self.weights))]
        self.arrays = {name: Arrays(stored[f"{name}_x"], stored[f"{name}_y"]) for name in SETS}
        for arrays in self.arrays.values():
            arrays.x.setflags(write=False)
        self.digest, self.zoo, self._undrawn, self._import_file = self._digest(), zoo, undrawn, import_file

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for arrays in self.arrays.values():
            digest.update(arrays.x.tobytes() + arrays.y.tobytes())
        return digest.hexdigest()

    def run(self, seed: int | None, say: Callable[[bytes], None]) -> None:
        """Imports the submission, calls it, and hands back the weights of what it returns, telling how it goes.

        Without a seed nothing is imported, and the original handed back: what that costs is what a run costs the kit.
        """
        process = os.getpid()

        def reply(kind: str, **content: Any) -> None:
            if os.getpid() == process:  # a forked copy of this process has nothing to say
                say(json.dumps({"kind": kind} | content).encode())

        self.reply: Callable[..., None] = reply
        try:
            method = self._load(rehearsing=seed is None)
        except BaseException as error:  # SystemExit and KeyboardInterrupt too: a stranger's file can raise anything
            reply("import_failed", **_described(error.__cause__ or error, self.submission))
            return
        try:
            self._call(method, seed or 0)
        except BaseException as error:
            traceback.print_exc()
            reply("raised", **_described(error, self.submission))

    def _load(self, *, rehearsing: bool) -> Callable[..., Any]:
        """Imports the submission, or nothing to rehearse, and says how long that took and what it changed."""
        before = _surroundings([self.given_folder, self.work_folder])
        self.reply("importing")
        start = time.perf_counter()
        name, method = self.settings["entry"], _does_nothing
        if rehearsing:
            pass
        elif name.endswith(
            ".pickle"
        ):  # a function of the user's notebook, written by the kit that started this process
            import cloudpickle

            method = cloudpickle.loads((self.submission / name).read_bytes())
        else:
            method = self._import_file(self.submission / name)
        seconds = time.perf_counter() - start
        self.reply(
            "imported", seconds=seconds, changed=_changes(before, _surroundings([self.given_folder, self.work_folder]))
        )
        return method

    def _fresh_net(self, seed: int) -> Any:
        from kit.toolbox import blocks, seeding

        described, precision = self.settings["model_description"], self.settings["precision"]
        with self._undrawn():
            if described:
                net = self.zoo.build_described(described, precision)
            else:
                shape, num_classes = tuple(self.settings["input_shape"]), self.settings["num_classes"]
                net = self.zoo.build(self.settings["model"], shape, num_classes, precision)
        blocks.start_from(net, self.start)
        net.set_weights(self.weights)
        seeding.seed_generators_reset(net, seed)
        return net

    def _call(self, method: Callable[..., Any], seed: int) -> None:
        """Calls the submission once and hands back the weights of what it returns."""
        import keras

        from kit.models.weights import in_dtypes, weights_to_bytes
        from kit.submission.call import Call
        from kit.toolbox.examples import Selection

        sets = {name: Selection(arrays, np.arange(len(arrays))) for name, arrays in self.arrays.items()}
        call = Call.prepare(seed, functools.partial(self._fresh_net, seed), sets, self.settings["batch_size"])
        architecture = _architecture(call.net)
        before = _surroundings([self.given_folder, self.work_folder])
        announce = functools.partial(self.reply, "calling")  # the kit has a clock of its own
        returned, traces = call.make(method, self.settings["hyperparameters"], announce)
        self.reply("returned")
        if not isinstance(returned, keras.Model):
            edited = any(
                not np.array_equal(new, old) for new, old in zip(call.net.get_weights(), self.weights, strict=False)
            )
            self.reply("no_model", type=type(returned).__name__, net_edited=edited)
            return
        arrays = [np.asarray(array) for array in returned.get_weights()]
        data = weights_to_bytes(in_dtypes(arrays, [array.dtype for array in self.weights]))
        (self.work_folder / ".weights.npz").unlink(missing_ok=True)
        (self.work_folder / ".weights.npz").write_bytes(data)
        after = _surroundings([self.given_folder, self.work_folder])
        after["files"].pop(str(self.work_folder / ".weights.npz"), None)
        before["files"].pop(str(self.work_folder / ".weights.npz"), None)
        self.reply(
            "written",
            tracing=traces.seconds,
            operations=traces.operations,
            described=_short(architecture, _architecture(returned)),
            probe=probe(returned, call.validation),
            altered=self._digest() != self.digest,
            new_files=sorted(Path(name).name for name in after["files"].keys() ^ before["files"].keys())[:5],
            changed_files=[
                Path(name).name for name, value in before["files"].items() if after["files"].get(name, value) != value
            ][:5],
            children=[_name(number) for number in descendants(os.getpid())][:5],
            threads=[thread.name for thread in threading.enumerate() if _is_foreign(thread)][:5],
        )


def _does_nothing(net: Any, *_sets: Any, **_hyperparameters: Any) -> Any:
    return net


def _name(number: int) -> str:
    with contextlib.suppress(psutil.Error):
        return str(psutil.Process(number).name())
    return "a process that has ended"


def _is_foreign(thread: threading.Thread) -> bool:
    return thread is not threading.main_thread() and thread.is_alive()


def _architecture(net: Any) -> list[str]:
    """Returns a line for each layer that a model's outputs depend on, its name left out."""
    lines = []
    for layer in net.layers:
        if type(layer).__name__ == "InputLayer":  # a functional model lists it, a sequential one does not
            continue
        settings = {key: value for key, value in layer.get_config().items() if key not in ("name", "trainable")}
        for volatile in ("kernel_initializer", "bias_initializer", "dtype", "build_config"):
            settings.pop(volatile, None)
        lines.append(f"{type(layer).__name__} {json.dumps(settings, default=str, sort_keys=True)}")
    return [*lines, *(f"{kind} {getattr(net, kind, None)}" for kind in ("output_shape", "input_shape"))]


def _short(expected: list[str], actual: list[str]) -> str:
    for ours, theirs in zip(expected, actual, strict=False):
        if ours != theirs:
            return f"{theirs[: _TEXT // 2]} where the original has {ours[: _TEXT // 2]}"
    return "" if actual == expected else f"{len(actual)} layers where the original has {len(expected)}"


def probe(net: Any, dataset: Any) -> list[float]:
    """Returns some outputs of the model itself, which the kit compares with those of the weights alone."""
    images, _ = next(iter(dataset))
    try:
        outputs = np.asarray(net(images[:PROBED], training=False), dtype=np.float64).ravel()
    except Exception:  # another architecture can refuse these images
        return []
    return [float(value) if np.isfinite(value) else 0.0 for value in outputs[:1000]]


def main() -> None:
    """Serves requests until the standard input ends; the first line says how they are to be served."""
    sys.meta_path.insert(0, allowed.OnlyTheCopy)
    from kit.machine.startup import log_set_aside, quick_import

    requests, replies = _private_streams()
    folder = Path(sys.argv[1])
    with log_set_aside(1, 2), quick_import():  # TensorFlow's own log is not what the submission prints
        child = Child(folder)
    allowed.hide_data_sets(sys.modules)
    sandbox = json.loads(requests.readline() or "{}").get("sandbox", [])

    def send(line: bytes) -> None:
        os.write(replies, line + b"\n")

    send(b'{"kind": "started"}')
    if FORKS:
        from kit.submission.zygote import Zygote

        with contextlib.suppress(BrokenPipeError):  # the kit has heard enough
            Zygote(folder, child.run, send, sandbox).serve(requests)
    else:
        request = json.loads(requests.readline() or "null")
        if request is not None:
            child.run(int(request["seed"]), lambda line: send(b"\t" + line))
            send(b'{"kind": "ended"}')
    os._exit(0)  # threads that a submission left behind do not hold up the end


if __name__ == "__main__":
    main()
