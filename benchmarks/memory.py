"""What `kit unlearn` takes of memory on data that do not fit into it twice: `python -m benchmarks.memory`.

A table of 5 million rows, as `.npy` files that are mapped or as `.parquet`, or images as `.npy`; a small network is
trained on it in plain Keras, and 100 records are forgotten in a process of its own, whose largest resident memory and
CPU seconds are printed. Pages of mapped files count as resident as long as the system leaves them there.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

FEATURES, CLASSES, RECORDS, BATCH_SIZE = 20, 2, 100, 1024
_AT_ONCE = 100_000
# Bytes of float32, of which the network is trained at once.
_FLOATS = 2**28
# On so many the user's model is trained: how well it knows its data plays no part in what forgetting takes.
_LEARNT = 20_000


class Measured(NamedTuple):
    """Of a process: the most resident memory at once, that without pages of files, both in bytes, and CPU seconds."""

    resident: int
    anonymous: int
    cpu_seconds: float
    output: str


def write_arrays(folder: Path, shape: Sequence[int], dtype: str) -> None:
    """Writes `x.npy`, `y.npy` and `partition.npy`, piece by piece: 80 % to train on, then 10 % for each other part."""
    generator = np.random.default_rng(0)
    number = shape[0]
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", dtype, tuple(shape))
    y = np.zeros(number, np.int32)
    for start in range(0, number, _AT_ONCE):
        stop = min(start + _AT_ONCE, number)
        if dtype == "uint8":
            y[start:stop] = generator.integers(0, CLASSES, stop - start)  # dark images, and bright ones
            x[start:stop] = generator.integers(0, 128, (stop - start, *shape[1:]), np.uint8)
            x[start:stop][y[start:stop] == 1] += 128
        else:
            x[start:stop] = generator.standard_normal((stop - start, *shape[1:]), np.float32)
            y[start:stop] = x[start:stop, 0] + x[start:stop, 1] > 0
    x.flush()
    np.save(folder / "y.npy", y)
    np.save(folder / "partition.npy", np.searchsorted([0.8, 0.9], np.arange(number) / number, side="right"))


def write_parquet(folder: Path, path: Path) -> None:
    """Writes the arrays of a folder as columns of a table."""
    import pyarrow
    from pyarrow import parquet

    x, y, part = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("x", "y", "partition"))
    with parquet.ParquetWriter(path, _table(pyarrow, x[:1], y[:1], part[:1]).schema) as writer:
        for start in range(0, len(y), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            writer.write_table(_table(pyarrow, x[rows], y[rows], part[rows]))


def _table(pyarrow: object, x: np.ndarray, y: np.ndarray, part: np.ndarray) -> object:
    columns = {f"x{number:02}": np.ascontiguousarray(column) for number, column in enumerate(x.T)}
    return pyarrow.table(columns | {"label": y, "part": part})  # type: ignore[attr-defined]


def write_model(folder: Path, path: Path, batch_size: int) -> None:
    """Trains a small network on the first rows of the data, as its owner would on all, and writes it."""
    import keras

    keras.utils.set_random_seed(0)
    x, y = np.load(folder / "x.npy", mmap_mode="r"), np.load(folder / "y.npy")
    number = min(int(0.8 * len(y)), _LEARNT)
    first = [keras.layers.Conv2D(4, 3, strides=4), keras.layers.GlobalAveragePooling2D()] if x.ndim == 4 else []
    hidden = keras.layers.Dense(16, activation="relu")
    layers = [keras.Input(x.shape[1:]), *first, hidden, keras.layers.Dense(CLASSES, activation="softmax")]
    net = keras.Sequential(layers)
    net.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    at_once = min(_AT_ONCE, _FLOATS // (4 * math.prod(x.shape[1:])))
    for start in range(0, number, at_once):
        some = np.asarray(x[start : min(start + at_once, number)])
        scaled = some / np.float32(255) if some.dtype == np.uint8 else some
        net.fit(scaled, y[start : start + len(some)], batch_size=batch_size, verbose=0)
    net.save(path)


def measured(command: Sequence[str]) -> Measured:
    """Runs a command, and looks at its memory twenty times a second."""
    most = {"resident": 0, "anonymous": 0}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        watcher = threading.Thread(target=_watch, args=(psutil.Process(process.pid), most))
        watcher.start()
        output = process.stdout.read() if process.stdout else ""
        _, _, usage = os.wait4(process.pid, 0)
        watcher.join()
        process.returncode = 0
    # What the system says, `ru_maxrss`, is at least what this process, which started it, had at that time.
    return Measured(most["resident"], most["anonymous"], usage.ru_utime + usage.ru_stime, output)


def _watch(process: psutil.Process, most: dict[str, int]) -> None:
    try:
        while process.status() != psutil.STATUS_ZOMBIE:
            memory = process.memory_info()
            most["resident"] = max(most["resident"], memory.rss)
            most["anonymous"] = max(most["anonymous"], memory.rss - getattr(memory, "shared", 0))
            time.sleep(0.05)
    except psutil.NoSuchProcess:
        pass


def measure(
    kind: str, number: int, side: int, root: Path, *, method: str, retrained: int, batch_size: int = BATCH_SIZE
) -> Measured:
    """Writes data of a kind and a model into a folder, and measures a request to forget 100 of its records."""
    folder = root / "data"
    folder.mkdir()
    write_arrays(folder, (number, side, side, 3) if kind == "images" else (number, FEATURES), _DTYPES[kind])
    write_model(folder, root / "model.keras", batch_size)
    data = ["[data]", "label = 'label'", "partition = 'part'"] if kind == "parquet" else []
    recipe = [
        "epochs = 1",
        f"batch_size = {batch_size}",
        "momentum = 0.0",
        "weight_decay = 0.0",
        "schedule = 'constant'",
        *data,
    ]
    (root / "recipe.toml").write_text("\n".join(recipe) + "\n")
    (root / "requests.csv").write_text("row\n" + "\n".join(map(str, range(0, 7 * RECORDS, 7))) + "\n")
    if kind == "parquet":
        write_parquet(folder, root / "data.parquet")
    given = root / "data.parquet" if kind == "parquet" else folder
    command = [sys.executable, "-m", "kit", "unlearn", "--model", root / "model.keras", "--data", given]
    command += ["--forget", root / "requests.csv", "--recipe", root / "recipe.toml", "--method", method]
    command += ["--retrained", retrained, "--output", root / "unlearned.keras"]
    return measured([str(part) for part in command])


_DTYPES = {"arrays": "float32", "parquet": "float32", "images": "uint8"}


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=sorted(_DTYPES), default="arrays")
    parser.add_argument("--number", type=int, default=5_000_000)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--method", default="finetune")
    parser.add_argument("--retrained", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kit-memory-") as root:
        numbers = measure(
            options.kind,
            options.number,
            options.side,
            Path(root),
            method=options.method,
            retrained=options.retrained,
            batch_size=options.batch_size,
        )
        size = sum(path.stat().st_size for path in (Path(root) / "data").iterdir())
    print(numbers.output.strip()[-1500:])
    print(
        f"{options.kind}, {options.number:,} examples, {size / 1e9:.2f} GB of arrays, --method {options.method}: "
        f"{numbers.resident / 1e9:.2f} GB resident at most ({numbers.anonymous / 1e9:.2f} GB of it no page of a file), "
        f"{numbers.cpu_seconds:.0f} CPU seconds"
    )


if __name__ == "__main__":
    main()
