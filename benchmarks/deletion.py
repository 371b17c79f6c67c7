"""A request to forget from model to evidence, on tables: what does it take of the processor and of memory?

    python -m benchmarks.deletion [adult] [recommender] [--adult FOLDER]

Adult (48,842 people, string columns, normalisations and look-ups inside the model, Adam, class weights) forgets 100
customers; a recommender of 100,000 generated ratings (900 users, 1,500 items, embeddings) forgets 20 users. Each model
is trained in plain Keras, saved, and handed to `kit unlearn --method auto --evidence` as its owner would. Shown are the
seconds of the processor and those by the clock, of that command with all that it starts, the most resident memory of
its processes together, and whether the reference reproduces the original's own scores. The limits are 180 s of the
processor (one of a machine's two would then be enough for 3 minutes) and 2 GB; what is over them is marked.

Adult is `adult.data` and `adult.test`, as the UCI repository has them, in a folder or in `$KERAS_HOME/datasets/adult`.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ROOT = Path(__file__).resolve().parents[1]
MOST_SECONDS, MOST_GB = 180.0, 2.0
NUMBERS = ("age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week")
TEXTS = (
    "workclass",
    "education",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "native-country",
)
COLUMNS = (
    "age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race",
    "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income",
)  # fmt: skip
USERS, ITEMS, RATINGS = 900, 1500, 100_000


@dataclass(frozen=True)
class Spent:
    """Of a command with all that it starts: seconds of the processor and by the clock, and the most memory, in GB."""

    cpu: float
    clock: float
    memory: float


def divided(rows: int) -> np.ndarray:
    """Returns which rows a model is trained on (0, seven tenths), for validation (1) or test (2)."""
    return np.random.default_rng(1).permutation(np.arange(rows) * 20 // rows // 14 + np.arange(rows) * 20 // rows // 17)


def adult(source: Path, folder: Path) -> None:
    """Writes what the owner of a model of Adult has."""
    import keras

    parts = [
        pd.read_csv(source / name, header=None, names=COLUMNS, skipinitialspace=True, skiprows=skipped)
        for name, skipped in (("adult.data", 0), ("adult.test", 1))
    ]
    frame = pd.concat(parts, ignore_index=True)
    frame["income"] = frame["income"].str.rstrip(".")
    frame["customer"] = [f"C{number}" for number in range(len(frame))]
    frame["part"] = divided(len(frame))
    train = frame[frame["part"] == 0]
    inputs, features = {}, []
    for name in NUMBERS:
        inputs[name] = keras.Input((1,), name=name)
        normalisation = keras.layers.Normalization(name=f"normalised_{name}")
        normalisation.adapt(train[name].to_numpy("float32")[:, np.newaxis])
        features.append(normalisation(inputs[name]))
    for name in TEXTS:
        inputs[name] = keras.Input((1,), dtype="string", name=name)
        lookup = keras.layers.StringLookup(vocabulary=sorted(train[name].unique()), output_mode="one_hot")
        features.append(lookup(inputs[name]))
    hidden = keras.layers.Dense(32, activation="relu")(keras.layers.Concatenate()(features))
    net = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden), name="income")
    net.compile(keras.optimizers.Adam(0.001), "binary_crossentropy")
    import tensorflow as tf

    columns = {name: tf.constant(train[name].astype(str).tolist()) for name in TEXTS}
    columns |= {name: train[name].to_numpy("float32") for name in NUMBERS}
    x = {name: columns[name] for name in inputs}
    y = (train["income"] == ">50K").to_numpy("float32")
    net.fit(x, y, batch_size=256, epochs=5, class_weight={0: 1.0, 1: 2.0}, verbose=0)
    net.save(folder / "model.keras")
    frame.to_csv(folder / "data.csv", index=False)
    forgotten = train["customer"].sample(100, random_state=0)
    (folder / "requests.csv").write_text("\n".join(["customer", *forgotten]) + "\n")
    (folder / "recipe.toml").write_text(
        'optimizer = "from model"\nepochs = 5\nbatch_size = 256\n'
        f'[data]\nlabel = "income"\nid = "customer"\npartition = "part"\nfeatures = {json.dumps(list(inputs))}\n'
        '[loss]\nclass_weights = {">50K" = 2.0}\n'
    )


def recommender(_: Path, folder: Path) -> None:
    """Writes what the owner of a recommender has: tastes in eight dimensions, items as popular as Zipf has them."""
    import keras

    generator = np.random.default_rng(0)
    user = generator.integers(0, USERS, RATINGS)
    shares = 1 / np.arange(1, ITEMS + 1)
    item = generator.choice(ITEMS, RATINGS, p=shares / shares.sum())
    tastes, kinds = generator.normal(size=(USERS, 8)), generator.normal(size=(ITEMS, 8))
    liking = (tastes[user] * kinds[item]).sum(axis=1) + generator.normal(size=RATINGS)
    frame = pd.DataFrame(
        {"user": user, "item": item, "liked": np.where(liking > 0, "yes", "no"), "part": divided(RATINGS)}
    )
    inputs = {
        "user": keras.Input((1,), dtype="int32", name="user"),
        "item": keras.Input((1,), dtype="int32", name="item"),
    }
    vectors = [
        keras.layers.Flatten()(keras.layers.Embedding(count, 8)(inputs[name]))
        for name, count in (("user", USERS), ("item", ITEMS))
    ]
    hidden = keras.layers.Dense(32, activation="relu")(
        keras.layers.Concatenate()([*vectors, keras.layers.Multiply()(vectors)])
    )
    net = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden), name="liking")
    net.compile(keras.optimizers.Adam(0.002), "binary_crossentropy")
    train = frame[frame["part"] == 0]
    x = {name: train[name].to_numpy("int32") for name in inputs}
    net.fit(x, (train["liked"] == "yes").to_numpy("float32"), batch_size=256, epochs=5, verbose=0)
    net.save(folder / "model.keras")
    frame.to_csv(folder / "data.csv", index=False)
    (folder / "requests.csv").write_text("\n".join(["user", *map(str, range(0, USERS, USERS // 20))]) + "\n")
    (folder / "recipe.toml").write_text(
        'optimizer = "from model"\nepochs = 5\nbatch_size = 256\n'
        '[data]\nlabel = "liked"\ngroup = "user"\npartition = "part"\nfeatures = ["user", "item"]\n'
    )


def measured(arguments: list[str], folder: Path) -> Spent:
    """Runs Python in a folder, and returns what it took.

    Raises:
        SystemExit: it failed.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT), "KIT_HOME": str(folder / "home")}
    before, begin, most = os.times(), time.perf_counter(), 0
    with open(folder / "log", "w") as log:
        process = psutil.Popen([sys.executable, *arguments], cwd=folder, env=environment, stdout=log, stderr=log)
        while process.poll() is None:
            most = max(most, resident(process))
            time.sleep(0.1)
    after, clock = os.times(), time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(
            f"{' '.join(arguments)} ended with {process.returncode}: {(folder / 'log').read_text()[-2000:]}"
        )
    cpu = sum(after[2:4]) - sum(before[2:4])
    return Spent(cpu, clock, most / 1e9)


def resident(process: psutil.Process) -> int:
    """Returns the resident memory of a process and all that it has started, in bytes."""
    try:
        return sum(part.memory_info().rss for part in (process, *process.children(recursive=True)))
    except psutil.Error:  # one of them has just ended
        return 0


CASES: dict[str, Callable[[Path, Path], None]] = {"adult": adult, "recommender": recommender}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="adult|recommender")
    keras_home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    parser.add_argument("--adult", type=Path, default=keras_home / "datasets" / "adult")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:  # the owner's training, in a process of its own
        import keras

        keras.utils.set_random_seed(0)
        CASES[options.cases[0]](options.adult.resolve(), options.write)
        return
    print(f"{'':14s}{'method':18s}{'verdict':15s}{'reference':11s}{'CPU s':>7s}{'clock s':>9s}{'GB':>6s}", flush=True)
    for name in options.cases or CASES:
        show(name, options.adult)
    print(f"limits: {MOST_SECONDS:.0f} s of the processor, {MOST_GB:.0f} GB; {os.cpu_count()} processors")


def show(name: str, source: Path) -> None:
    """Prints what a case takes."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        measured(["-m", "benchmarks.deletion", name, "--adult", str(source.resolve()), "--write", temporary], folder)
        files = {"model": "model.keras", "data": "data.csv", "forget": "requests.csv", "recipe": "recipe.toml"}
        paths = [part for option, path in files.items() for part in (f"--{option}", path)]
        spent = measured(
            ["-m", "kit", "unlearn", *paths, "--output", "unlearned.keras", "--evidence", "evidence"], folder
        )
        record = json.loads((folder / "evidence" / "request.json").read_text())
    record = record.get("content", record)
    differences = record["findings"]["reproduction"].values()
    off = [part for part in differences if not part["low"] <= 0 <= part["high"]]
    reference = f"{len(off)} off" if off else "alike"
    over = "" if spent.cpu <= MOST_SECONDS and spent.memory <= MOST_GB else "  over the limit"
    print(
        f"{name:14s}{record['method']:18s}{record['verdict']:15s}{reference:11s}"
        f"{spent.cpu:7.0f}{spent.clock:9.0f}{spent.memory:6.2f}{over}",
        flush=True,
    )


if __name__ == "__main__":
    main()
