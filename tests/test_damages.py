"""Files that the kit reads back, damaged in five hundred ways: made again or told in one paragraph, never a lie."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from retrainings import taking

from kit import reports
from kit.challenges import hyperparameters, load_challenge, private, splits
from kit.commands import drawing
from kit.contest import growing as growing_zips
from kit.datasets import cache, registry
from kit.evaluation import scoring
from kit.machine import xla_code
from kit.reports import evidence, leaks
from kit.runs import oracles, originals, plain_keras, pretraining, retrained, timing
from kit.runs.store import Run, Store
from kit.storage import files, seals
from kit.toolbox import checkpoints
from kit.toolbox.checkpoints import Checkpoint
from kit.tuning import Search, kept
from kit.tuning.trace import Trace
from kit.types import PARTS, Arrays, Challenge, Cost, FailedRun, InputError, ModelOutputs, Report, Score

NUM_DAMAGES = 500
AGAIN = "made again"


@dataclass(frozen=True)
class Kind:
    """Files of one kind, and a function that reads them; it returns `AGAIN` or None where they are not believed."""

    paths: Sequence[Path]
    read: Callable[[], Any]


def model_outputs(seed: int) -> ModelOutputs:
    generator = np.random.default_rng(seed)
    labels = {part: np.arange(5) % 3 for part in PARTS}
    return ModelOutputs.of_logits({part: generator.normal(size=(5, 3)) for part in PARTS}, labels)


def runs(root: Path) -> Kind:
    """Two runs of each of two populations: there are others to be exchanged with."""
    stores = [Store(root / "runs" / "small" / name, "finetune", "seed-0") for name in ("finetune-1", "finetune-2")]
    for number in range(4):
        store = stores[number % 2]
        store.write(number // 2, Run(model_outputs(number), Cost(5.999 + number), 10 + number, {"shards": 3.0}))
    paths = sorted(path for path in (root / "runs").rglob("*") if path.is_file())
    return Kind(paths, lambda: [store.read(number, with_logits=True) for store in stores for number in range(2)])


def weights(challenge: Challenge, monkeypatch: pytest.MonkeyPatch) -> list[Kind]:
    """The cached original, a retrained model and a method's own training, none of which is trained."""
    net = originals.build(challenge)
    paths = [originals.cached_path(challenge), retrained._cached_path(challenge)]
    split = {"split_sha256": challenge.split.sha256}
    for path, facts in zip(paths, ({}, split), strict=True):
        originals.store(challenge, net.get_weights(), path, 1.0, seed=0, facts=facts)

    def own_training(method: str, of: Challenge, seed: int, folder: Path, base: Any) -> Any:
        (folder / "shards.json").write_text("[0, 1, 2]")
        return net

    monkeypatch.setattr(pretraining, "_trained", own_training)
    folder = pretraining.load(challenge, "sisa").path.parent
    again = FailedRun("made again")
    monkeypatch.setattr(pretraining, "_train", lambda *_: pytest.fail("the record is there, and believed"))
    monkeypatch.setattr(originals, "_train_and_store", lambda *_: (_ for _ in ()).throw(again))
    kinds = [
        Kind([paths[0], paths[0].with_suffix(".json")], lambda: originals.load(challenge).weights),
        Kind([paths[1], paths[1].with_suffix(".json")], lambda: weights_of_retrained(challenge)),
    ]
    in_folder = sorted(path for path in folder.rglob("*") if path.is_file())
    return [*kinds, Kind(in_folder, lambda: own_training_of(challenge))]


def weights_of_retrained(challenge: Challenge) -> Any:
    stored = retrained.load(challenge)
    return AGAIN if stored is None else stored.weights


def own_training_of(challenge: Challenge) -> Any:
    loaded = pretraining.load(challenge, "sisa")
    return loaded.weights, loaded.description, (loaded.state / "shards.json").read_bytes()


def measurements(root: Path, challenge: Challenge, monkeypatch: pytest.MonkeyPatch) -> list[Kind]:
    """What a retraining costs."""
    monkeypatch.setattr(plain_keras, "time_retraining", lambda _: (taking(5.999), 1.0))
    timing.reference(challenge)
    monkeypatch.setattr(plain_keras, "time_retraining", lambda _: (taking(7.0), 1.0))
    references = sorted((files.cache_folder() / "reference").iterdir())

    def read() -> Any:
        measured = timing.reference(challenge)
        return AGAIN if measured.seconds == 7.0 else asdict(measured)

    return [Kind(references, read)]


def scores_and_pages(root: Path) -> list[Kind]:
    paths = [root / "scores" / f"{number}.json" for number in range(2)]
    for number, path in enumerate(paths):
        score = {"name": "mia_auc", "value": 0.5 + number, "stderr": 0.01, "direction": "up"}
        seals.write_json(path, f"scores/{path.name}", {"mia_auc": score})
    place = root / "scores" / "pages" / "of-these"
    place.mkdir(parents=True)
    pages = [place / name for name in (drawing.EVIDENCE, drawing.PAGE)]
    for page in pages:
        page.write_text(f"what {page.name} shows")
    seals.write_json(place / "record.json", "pages/of-these", {page.name: files.sha256_of(page) for page in pages})

    def drawn() -> Any:
        return [page.read_text() for page in pages] if drawing._is_present(place) else AGAIN

    return [
        Kind(paths, lambda: [scoring._read(path) for path in paths]),
        Kind([place / "record.json", *pages], drawn),
    ]


def trainings(root: Path, challenge: Challenge) -> list[Kind]:
    """The state of a long training, the trace of a search, and a pack that is half finished."""
    state = root / "training.npz"
    arrays = [np.arange(6.0).reshape(2, 3), np.arange(3, dtype=np.float32)]
    checkpoints.save(state, Checkpoint("of this training", 3, 1.5, 0.5, arrays))
    trace, search = root / "trace.json", Search("ssd", "digits")
    Trace(trace, search, challenge).keep({"dampening": 0.5}, 0, 0.61)
    output = root / "submission.zip"
    growing = growing_zips.GrowingZip(output, {"method": "noisy"})
    for number in range(2):
        growing.append(growing_zips.checkpoint_name(number), np.arange(9.0).tobytes(), number, 5.999)
    partial, journal = growing._partial, growing._journal

    def resumed() -> Any:
        again = growing_zips.GrowingZip(output, {"method": "noisy"})
        return AGAIN if len(again) == 0 else (again._seeds, again._seconds, partial.read_bytes())

    return [
        Kind([state], lambda: checkpoints._read(state)),
        Kind([trace], lambda: Trace(trace, search, challenge)._entries or AGAIN),
        Kind([partial, journal], resumed),
    ]


def shipped(root: Path, challenge: Challenge) -> list[Kind]:
    """The registry, an oracle and the searches that come with the kit; reports and splits, which people pass on."""
    generator, path = np.random.default_rng(0), files.data_folder() / "oracles" / "small.npz"
    sizes = {part: len(challenge.strata(part)) for part in PARTS}
    arrays = {"seconds": np.ones(2), "seeds": np.arange(2)}
    for part, size in sizes.items():
        arrays[f"confidences_{part}"] = generator.normal(size=(2, size)).astype(np.float32)
        arrays[f"correct_{part}"] = np.packbits(generator.random((2, size)) < 0.9)
        arrays[f"logits_{part}"] = generator.normal(size=(2, size, 3)).astype(np.float32)
    files.write_npz(path, arrays)
    identity = {"fingerprint": originals.fingerprint(challenge), "split_sha256": challenge.split.sha256}
    entry = {"file": "oracles/small.npz", "sha256": files.sha256_of(path), **identity}
    originals.register({"oracles/small": entry})
    searches = files.data_folder() / "results" / "tuning-digits.json"
    trial = {"settings": {"epochs": 3}, "present": True, "scores": [0.61], "stage": 1}
    files.write_json(searches, seals.with_digest({"methods": {"finetune": [trial]}}))
    report, split = root / "report.json", root / "split.npz"
    score = Score("mia_auc", 0.61, 0.01, "up")
    reports.write_json(report, [made_report(challenge, score)])
    splits.save_split(challenge.split, split)
    shown = root / "shown.json"
    example = evidence.Example(5, "label", False, "", (5.999,))
    evidence.write(shown, evidence.Evidence("a" * 64, "class", ("0", "1"), (example,), ()))

    beside = root / "leaks.json"
    leaks.write(beside, leaks.Leaks("sisa", "small", 8, (leaks.Leak("slice AUC", "plain", "passes", 1.0),), ()))

    def loaded_split() -> Any:
        stored = splits.make_split(challenge.train, split)  # another data set's would be told
        return stored.forget, stored.retain, stored.name, stored.seed

    return [
        Kind([path, files.data_folder() / "registry.json"], lambda: oracles.load(challenge)),
        Kind([searches], lambda: kept.load(Search("finetune", "digits"))),
        Kind([report], lambda: reports.read_json(report).reports),
        Kind([split], loaded_split),
        Kind([shown], lambda: evidence.read(shown)),
        Kind([beside], lambda: leaks.read(beside)),
    ]


def edited(challenge: Challenge) -> Kind:
    """Hyper-parameters, which people edit: another value is used and told."""
    path = hyperparameters.file()
    path.write_text("[small.finetune]\nepochs = 1\nlearning_rate = 0.059\n\n[small.scrub]\nmax_epochs = 2\n")
    hyperparameters.write(hyperparameters.read())

    def read() -> Any:
        tables = hyperparameters.of_challenge("small")
        doubt = hyperparameters.doubt(replace(challenge, hyperparameters=tables), "finetune")
        return AGAIN if doubt else tables

    return Kind([path], read)


def private_challenge(root: Path) -> Kind:
    """What a host keeps: examples, and which of them are to be forgotten."""
    generator = np.random.default_rng(1)
    known = Arrays(generator.normal(size=(60, 3)).astype(np.float32), np.arange(60) % 3)
    folder = root / "private"
    folder.mkdir()
    private.draw(known, 0.2, entropy=1).host.write(folder, "host", mode=0o600)
    paths = [folder / "host.npz", folder / "host-forget.npz"]

    def read() -> Any:
        challenge = load_challenge(paths[0], forget=paths[1])
        return challenge.train.x, challenge.train.y, challenge.test.x, challenge.split.forget

    return Kind(paths, read)


def made_report(challenge: Challenge, score: Score) -> Report:
    texts = ("challenge", "method", "split", "split_sha256", "data_sha256", "data_source", "weights_sha256", "model")
    return Report(
        **dict.fromkeys(texts, "text"),
        **dict.fromkeys(("seed", "num_models", "num_retrained", "split_seed"), 1),
        seconds=5.999,
        reference_seconds=6.0,
        scores={score.name: score},
        score_version="1.0",
        versions={},
        machine={},
        recipe={},
    )


def compiled(root: Path) -> Kind:
    """Code of two functions: what is not believed is removed before anything runs it."""
    folder = root / "compiled"
    folder.mkdir()
    paths = [folder / f"{number}.pb" for number in range(2)]
    for number, path in enumerate(paths):
        path.write_bytes(f"machine code {number}".encode() * 20)
        seals.write_json(path.with_suffix(".seal"), f"compiled/{path.name}", files.sha256_of(path))

    def left() -> Any:
        xla_code.remove_damaged(folder)
        return [path.read_bytes() if path.exists() else None for path in paths]

    return Kind(sorted(folder.iterdir()), left)


def adopted() -> Kind:
    """The digests of data files that were copied from a user's folder."""
    data_set = registry.DATA_SETS["mnist"]
    record = files.cache_folder() / "datasets" / data_set.name / cache.RECORD
    seals.write_json(record, cache._place(data_set), {"images": "0" * 64})
    return Kind([record], lambda: cache.recorded(data_set) or AGAIN)


@pytest.fixture
def kinds(small_challenge: Challenge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Kind]:
    monkeypatch.setenv("KIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(files, "data_folder", lambda: tmp_path / "data")
    run_kind = runs(tmp_path)
    return [
        run_kind,
        *weights(small_challenge, monkeypatch),
        *measurements(tmp_path, small_challenge, monkeypatch),
        *scores_and_pages(tmp_path),
        *trainings(tmp_path, small_challenge),
        *shipped(tmp_path, small_challenge),
        edited(small_challenge),
        private_challenge(tmp_path),
        compiled(tmp_path),
        adopted(),
        Kind([files.cache_folder() / "keys" / "own.key"], run_kind.read),
    ]


def flipped(content: bytes, generator: np.random.Generator, _: Sequence[bytes]) -> bytes:
    changed = bytearray(content)
    for position in generator.integers(0, len(changed), generator.integers(1, 9)):
        changed[position] ^= 1 << int(generator.integers(8))
    return bytes(changed)


def other_digit(content: bytes, generator: np.random.Generator, _: Sequence[bytes]) -> bytes:
    """A number that is as good as the one before."""
    digits = [position for position, byte in enumerate(content) if byte in b"0123456789"]
    changed = bytearray(content)
    if digits:
        changed[generator.choice(digits)] = int(generator.choice(list(b"0123456789")))
    return bytes(changed)


def truncated(content: bytes, generator: np.random.Generator, _: Sequence[bytes]) -> bytes:
    return content[: generator.integers(0, len(content))]


def zeroed(content: bytes, generator: np.random.Generator, _: Sequence[bytes]) -> bytes:
    start, length = generator.integers(0, len(content)), generator.integers(1, 200)
    return content[:start] + b"\0" * len(content[start : start + length]) + content[start + length :]


def garbled(content: bytes, generator: np.random.Generator, _: Sequence[bytes]) -> bytes:
    start, length = generator.integers(0, len(content)), generator.integers(1, 200)
    return content[:start] + generator.bytes(len(content[start : start + length])) + content[start + length :]


def swapped(_: bytes, generator: np.random.Generator, others: Sequence[bytes]) -> bytes:
    return others[generator.integers(len(others))]


def value(read: Callable[[], Any]) -> Any:
    """What a reader returns, in one comparable text; None where it says in one paragraph why not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return read()
    except (InputError, FailedRun) as error:
        message = str(error)
    assert "\n" not in message
    assert message == AGAIN or "Expected" in message
    return AGAIN


def is_believable(value_read: Any, whole: Any) -> bool:
    """Whether a value is the one that was written, or is made again; of several, each."""
    if value_read is None or (isinstance(value_read, str) and value_read == AGAIN):
        return True
    if isinstance(whole, list) and isinstance(value_read, list) and len(value_read) == len(whole):
        return all(map(is_believable, value_read, whole))
    return bool(scoring.digest(value_read) == scoring.digest(whole))


def test_five_hundred_damages_of_what_is_read_back(kinds: list[Kind]) -> None:
    generator = np.random.default_rng(0)
    everything = [path.read_bytes() for kind in kinds for path in kind.paths]
    wholes = [value(kind.read) for kind in kinds]
    assert all(whole is not None and whole != AGAIN for whole in wholes if isinstance(whole, str | None))
    damages = [flipped, other_digit, truncated, zeroed, garbled, swapped]
    refusals = 0
    for number in range(NUM_DAMAGES):
        kind, whole = kinds[number % len(kinds)], wholes[number % len(kinds)]
        before = {path: path.read_bytes() for path in kind.paths}
        path = kind.paths[generator.integers(len(kind.paths))]
        damage = damages[generator.integers(len(damages))]
        path.write_bytes(damage(before[path], generator, everything))
        value_read = value(kind.read)
        assert is_believable(value_read, whole), f"number {number}: '{path.name}', {damage.__name__}"
        refusals += path.exists() and scoring.digest(value_read) != scoring.digest(whole)
        for place, content in before.items():
            place.write_bytes(content)
    assert refusals > NUM_DAMAGES / 2  # the rest hit nothing that matters, or were swapped with themselves
