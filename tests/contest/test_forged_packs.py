"""Five hundred packs, forged in every field and byte: each ends as its kind has to; what is accepted is what is there.

A network of two layers in NumPy stands for Keras's; what says what a pack holds is NumPy's own reader of archives.
"""

from __future__ import annotations

import contextlib
import io
import json
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from retrainings import taking

from kit.contest import check_pack as checking
from kit.contest import rerun as rerunning
from kit.contest.check_pack import CheckedPack, check_pack
from kit.contest.growing import checkpoint_name
from kit.contest.mock import MANIFEST
from kit.contest.rerun import Rerun
from kit.models.weights import weights_to_bytes
from kit.rules import SCORE_VERSION
from kit.runs import timing
from kit.runs.seeds import run_seed
from kit.types import PARTS, Challenge, Cost, FailedRun, ModelOutputs, Outputs

COUNT = 5
SHAPES = ((6, 6), (6,), (6, 3), (3,), (3,))
CHECKS = ("zip", "manifest", "names", "checkpoints", "oracle", "diversity", "rerun", "time")
Weights = list[np.ndarray]
Generator = np.random.Generator


class Network:
    """What `check_pack` needs of a worker: the original's weights, and outputs of others."""

    def __init__(self, challenge: Challenge, weights: Weights) -> None:
        self.challenge, self.original = challenge, SimpleNamespace(weights=weights, sha256="a" * 64)

    def outputs(self, weights: Sequence[np.ndarray], name: str) -> ModelOutputs:
        by_part = {part: logits(weights, self._examples(part)) for part in PARTS}
        if not all(np.isfinite(array).all() for array in by_part.values()):
            raise FailedRun(f"The model that '{name}' returned gives NaN or infinite logits. Expected finite logits.")
        return ModelOutputs.of_logits(by_part, {part: self.challenge.labels(part) for part in PARTS})

    def _examples(self, part: str) -> np.ndarray:
        if part in ("retain", "forget"):
            return self.challenge.train.x[getattr(self.challenge.split, part)]
        return getattr(self.challenge, part).x


def logits(weights: Sequence[np.ndarray], x: np.ndarray) -> np.ndarray:
    first, bias, second, other, scale = (array.astype(np.float64) for array in weights)
    with np.errstate(over="ignore", invalid="ignore"):
        return ((np.tanh(x @ first + bias) @ second + other) * (1 + scale)).astype(np.float32)


@dataclass
class Case:
    """A sound pack in its parts, which a forger changes; `host` has it made again."""

    generator: Generator
    manifest: dict[str, Any]
    models: list[Weights]
    retrained: list[Weights]
    host: bool = False
    costs: float = 100.0
    remade: Callable[[int], Weights] | None = None

    def one(self, choices: Sequence[Any]) -> Any:
        return choices[self.generator.integers(len(choices))]

    def entries(self) -> dict[str, bytes]:
        names = [checkpoint_name(number) for number in range(len(self.models))]
        checkpoints = dict(zip(names, map(weights_to_bytes, self.models), strict=True))
        return checkpoints | {MANIFEST: json.dumps(self.manifest).encode()}

    def array(self) -> tuple[Weights, int]:
        return self.one(self.models), int(self.generator.integers(len(SHAPES)))


def drawn(generator: Generator, number: int = 1) -> list[Weights]:
    """Returns models that differ among themselves by less than from others."""
    centre = [generator.normal(size=shape) for shape in SHAPES]
    return [
        [(array + 0.2 * generator.normal(size=array.shape)).astype(np.float32) for array in centre]
        for _ in range(number)
    ]


def zipped(entries: Sequence[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", method) as archive:
        warnings.simplefilter("ignore")  # names that appear twice
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return stream.getvalue()


def whole(case: Case) -> bytes:
    return zipped(list(case.entries().items()))


# The manifest

IDENTITY = ("score_version", "data_sha256", "split_sha256", "original_sha256")
TOLD = ("kit", "challenge", "method", "split")
WRONG: list[Any] = [None, True, 1.5, -1, "x", [], {}, [[1]], {"a": 1}, 10**30]


def without_a_field(case: Case) -> bytes:
    del case.manifest[case.one([*case.manifest])]
    return whole(case)


def field_of_another_kind(case: Case) -> bytes:
    name = case.one([*case.manifest])
    kind = type(case.manifest[name])
    case.manifest[name] = case.one([value for value in WRONG if type(value) is not kind and value != {}])
    return whole(case)


def another_identity(case: Case) -> bytes:
    case.manifest[case.one(IDENTITY)] = case.one(["", "0" * 64, "9.9", "A" * 64, "\x1b[2J", "x" * 10_000])
    return whole(case)


def another_story(case: Case) -> bytes:
    """What the pack tells of itself, and nobody believes: names, seconds, machine, seeds."""
    changes = {name: case.one(["retrain", "", "[bold]", "\x1b[2J", "é" * 900, "../x"]) for name in TOLD}
    changes |= {
        "seconds": [case.one([0, 0.001, 1e-300, 9e8])] * COUNT,
        "seeds": case.generator.integers(99, size=COUNT),
    }
    changes |= {"machine": {"processor": "another"}, "versions": {}, "method_sha256": "b" * 64, "split_seed": -5}
    name = case.one([*changes])
    case.manifest[name] = changes[name].tolist() if name == "seeds" else changes[name]
    return whole(case)


def other_counts(case: Case) -> bytes:
    case.manifest["num_models"] = case.one([0, -1, 1, COUNT - 1, COUNT + 1, 10**9, 2**70])
    return whole(case)


def other_counts_that_agree(case: Case) -> bytes:
    count = case.one([1, COUNT - 1, COUNT + 1, 600])
    case.manifest |= {"num_models": count, "seeds": list(range(count)), "seconds": [1.0] * count}
    return whole(case)


def strange_seeds(case: Case) -> bytes:
    case.manifest["seeds"][case.generator.integers(COUNT)] = case.one([-1, 2**32, 10**30, 1.0, "1", None, [1], {}])
    return whole(case)


def strange_seconds(case: Case) -> bytes:
    values = [-1.0, 1e9, 1e308, float("nan"), float("inf"), 10**400, "1", None, [1.0]]
    case.manifest["seconds"][case.generator.integers(COUNT)] = case.one(values)
    return whole(case)


def said_twice(case: Case) -> bytes:
    entries, name = case.entries(), case.one([*case.manifest])
    entries[MANIFEST] = b'{"%s": 1, ' % name.encode() + entries[MANIFEST].lstrip(b"{")
    return zipped(list(entries.items()))


def no_json(case: Case) -> bytes:
    entries = case.entries()
    content = entries[MANIFEST]
    entries[MANIFEST] = case.one(
        [
            b"",
            b"[]",
            b"null",
            b"{" * 100_000,
            content[:-1],
            b"\xff" + content,
            bytes(2 << 20),
        ]
    )
    return zipped(list(entries.items()))


# Arrays


def not_finite(case: Case) -> bytes:
    model, number = case.array()
    model[number].flat[case.generator.integers(model[number].size)] = case.one([np.nan, np.inf, -np.inf])
    return whole(case)


def another_shape(case: Case) -> bytes:
    model, number = case.array()
    array = model[number]
    model[number] = case.one([array[..., None], array[None], np.append(array, 1), array[:-1], array.sum()])
    return whole(case)


def another_dtype(case: Case) -> bytes:
    model, number = case.array()
    model[number] = model[number].astype(case.one(["f8", "f2", ">f4", "i4", "?", "c8", "U4", "M8[s]", "V4"]))
    return whole(case)


def other_arrays(case: Case) -> bytes:
    model, number = case.array()
    if case.one([True, False]):
        del model[number]
    else:
        model.append(model[number])
    return whole(case)


def another_checkpoint(case: Case) -> bytes:
    """No archive, one with objects or names, one that unpacks to a thousand times its size, or none at all."""
    entries, name = case.entries(), checkpoint_name(int(case.generator.integers(COUNT)))
    packed, named, objects, content = io.BytesIO(), io.BytesIO(), io.BytesIO(), entries[name]
    np.savez_compressed(packed, **{str(number): np.zeros(1 << 16, np.float32) for number in range(len(SHAPES))})
    np.savez(named, *case.models[0])
    np.savez(objects, **{str(number): np.array([print], object) for number in range(len(SHAPES))})
    forged = [b"", content[: len(content) // 2], packed.getvalue(), named.getvalue(), objects.getvalue(), b"PK" * 99]
    inner = [(f"{number}.npy", b"\x93NUMPY\x01\x00") for number in range(len(SHAPES))]
    forged += [zipped(inner), zipped([*inner, inner[0]]), entries[MANIFEST]]
    entries[name] = case.one(forged)
    return zipped(list(entries.items()))


def claimed_half(case: Case) -> bytes:
    case.manifest["dtype"] = case.one(["float16", "float64", "bfloat16", "", "object"])
    return whole(case)


def overflowing(case: Case) -> bytes:
    model = case.one(case.models)
    model[2][:], model[3][:], model[4][:] = 3e38, 3e38, 3e38
    for array in model[:2]:
        array[:] = 1e38
    return whole(case)


# The archive


def other_names(case: Case) -> bytes:
    entries = list(case.entries().items())
    number = int(case.generator.integers(COUNT))
    name, content = entries[number]
    forged = [
        [*entries, (name, content)],
        [*entries, (case.one(["x", "checkpoints/", "../../evil.npz", "/etc/evil", "a\\b", "\x1b[2J"]), content)],
        [(name.upper() if key == name else key, value) for key, value in entries],
        [(f"./{key}" if key == name else key, value) for key, value in entries],
        [(checkpoint_name(COUNT) if key == name else key, value) for key, value in entries],
        [pair for pair in entries if pair[0] != name],
    ]
    return zipped(case.one(forged))


def cut(case: Case) -> bytes:
    content = whole(case)
    return content[: case.generator.integers(len(content))]


def flipped(case: Case) -> bytes:
    content = bytearray(whole(case))
    for position in case.generator.integers(0, len(content), case.generator.integers(1, 5)):
        content[position] ^= 1 << int(case.generator.integers(8))
    return bytes(content)


def another_order(case: Case) -> bytes:
    """The same content: compressed, in another order, behind something else."""
    pairs = list(case.entries().items())
    order = case.generator.permutation(len(pairs))
    content = zipped([pairs[number] for number in order], case.one([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    return case.one([b"", b"#!/bin/sh\n", b"PK\3\4"]) + content


def odd_compression(case: Case) -> bytes:
    return zipped(list(case.entries().items()), case.one([zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))


# Models


def other_models(case: Case) -> bytes:
    """Sound ones: in Fortran's order, in halves, or with arrays of one shape exchanged."""
    choice = int(case.generator.integers(3))
    for model in case.models:
        if choice == 0:
            model[:] = [np.asfortranarray(array) for array in model]
        elif choice == 1:
            model[:] = [array.astype(np.float16) for array in model]
        else:
            model[3], model[4] = model[4], model[3]
    if choice == 1:
        case.manifest["dtype"] = "float16"
    return whole(case)


def of_the_oracle(case: Case) -> bytes:
    noise = case.one([0.0, 1e-6, 1e-3])
    model = case.retrained[case.generator.integers(len(case.retrained))]
    for number in case.generator.choice(COUNT, size=case.generator.integers(1, COUNT), replace=False):
        case.models[number][:] = [noisy(array, noise, case.generator) for array in model]
    return whole(case)


def noisy(array: np.ndarray, noise: float, generator: Generator) -> np.ndarray:
    return array + (noise * generator.normal(size=array.shape)).astype(np.float32)


def copies_with_noise(case: Case) -> bytes:
    noise, first = case.one([1e-6, 1e-5, 1e-4]), case.models[0]
    for model in case.models[1:]:
        model[:] = [noisy(array, noise, case.generator) for array in first]
    return whole(case)


def copies(case: Case) -> bytes:
    for number in case.generator.choice(COUNT - 1, size=case.generator.integers(1, COUNT), replace=True):
        case.models[number + 1][:] = case.models[0]
    return whole(case)


# What a host finds by making models again


def honest(case: Case) -> bytes:
    case.host = True
    case.manifest["seconds"] = [0.001] * COUNT
    return whole(case)


def passes_of_a_retraining(case: Case) -> bytes:
    case.host, case.costs = True, case.one([500.0, 1000.0])
    return whole(case)


def models_of_others(case: Case) -> bytes:
    case.host, others = True, drawn(case.generator, COUNT)
    case.remade = lambda number: others[number]
    return whole(case)


def one_bit_further(case: Case) -> bytes:
    """One weight of each model is the next number, or another zero."""
    case.host, further = True, [[array.copy() for array in model] for model in case.models]
    for model, other in zip(case.models, further, strict=True):
        model[3][1] = other[3][1] = 0.0
        if case.one([True, False]):
            other[3][1] = -0.0
        else:
            other[0][0, 0] = np.nextafter(other[0][0, 0], np.float32(9), dtype=np.float32)
    case.remade = lambda number: further[number]
    return whole(case)


def chosen_seeds(case: Case) -> bytes:
    case.host = True
    case.manifest["seeds"] = case.one([case.manifest["seeds"][::-1], list(range(COUNT)), [7] * COUNT])
    return whole(case)


def of_another_file(case: Case) -> bytes:
    case.host = True
    case.manifest["method_sha256"] = case.one(["b" * 64, "", "0"])
    return whole(case)


ANY = "as it may be"
# How a pack of a kind ends: by the check that refuses it, or accepted (with a warning).
KINDS: dict[Callable[[Case], bytes], str] = {
    without_a_field: "manifest", field_of_another_kind: "manifest", another_identity: "manifest",
    strange_seeds: "manifest", strange_seconds: "manifest", said_twice: "manifest", no_json: "manifest",
    other_counts: "manifest", other_counts_that_agree: "names", other_names: "names", odd_compression: "manifest",
    not_finite: "checkpoints", another_shape: "checkpoints", another_dtype: "checkpoints",
    other_arrays: "checkpoints", another_checkpoint: "checkpoints", claimed_half: "checkpoints or manifest",
    overflowing: "checkpoints", cut: "zip or manifest", flipped: ANY,
    another_story: "accepted", another_order: "accepted", other_models: "accepted", copies: "warned",
    of_the_oracle: "oracle", copies_with_noise: "diversity",
    honest: "accepted", passes_of_a_retraining: "time", models_of_others: "rerun",
    one_bit_further: "rerun", chosen_seeds: "rerun", of_another_file: "rerun",
}  # fmt: skip


def sound(challenge: Challenge, seed: int, count: int = COUNT) -> Case:
    generator = np.random.default_rng(seed)
    manifest: dict[str, Any] = {
        "kit": "0.1.0", "score_version": SCORE_VERSION, "challenge": "small", "method": "mine",
        "method_sha256": "c" * 64, "split": "random:0.1", "split_seed": 0, "split_sha256": challenge.split.sha256,
        "data_sha256": challenge.data_sha256, "original_sha256": "a" * 64, "seed": 0, "num_models": count,
        "dtype": "float32", "seeds": [run_seed(0, "mine", number) for number in range(count)],
        "seconds": [1.5] * count, "versions": {"kit": "0.1.0"}, "machine": {"processor": "this"},
    }  # fmt: skip
    return Case(generator, manifest, drawn(generator, count), drawn(generator, 6))


@pytest.fixture
def checked(
    small_challenge: Challenge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Case, bytes], CheckedPack]:
    network = Network(small_challenge, *drawn(np.random.default_rng(99)))
    here = {"versions": {"kit": "0.1.0"}, "machine": {"processor": "this"}}
    monkeypatch.setattr(timing, "reference", lambda *_: taking(1000.0))
    monkeypatch.setattr(checking.Worker, "for_entry", lambda *_: network)
    for name, value in here.items():
        monkeypatch.setattr(rerunning.environment, name, lambda value=value: value)
    entry: Any = SimpleNamespace(name="mine", as_source=lambda: SimpleNamespace(sha256="c" * 64))
    labels = {part: small_challenge.labels(part) for part in PARTS}

    def check(case: Case, content: bytes) -> CheckedPack:
        models = [[array.copy() for array in model] for model in case.models]
        seeds = [run_seed(0, "mine", number) for number in range(len(models))]

        @contextlib.contextmanager
        def runs(*_: Any) -> Iterator[Callable[[int, None], Any]]:
            make = case.remade or (lambda number: models[number])
            yield lambda seed, _: SimpleNamespace(weights=make(seeds.index(seed)), cost=Cost(250.0, passes=case.costs))

        monkeypatch.setattr(rerunning, "weights_of_runs", runs)
        others = [network.outputs(weights, "retrained") for weights in case.retrained]
        unknown, numbers = [np.nan] * len(others), range(len(others))
        retrained = Outputs.of_models("retrain", others, labels, seconds=unknown, seeds=numbers)
        path = tmp_path / "pack.zip"
        path.write_bytes(content)
        rerun = Rerun(2, entry) if case.host else None
        return check_pack(path, small_challenge, retrained=retrained, rerun=rerun, worker=network)  # type: ignore[arg-type]

    return check


def require_what_is_there(challenge: Challenge, content: bytes, checked_pack: CheckedPack, *, measured: bool) -> None:
    """Holds accepted outputs to those of the arrays that NumPy finds in the archive, in the order of their names."""
    assert checked_pack.outputs is not None
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        manifest = json.loads(archive.read(MANIFEST))
        names = sorted(set(archive.namelist()) - {MANIFEST})
        stored = [np.load(io.BytesIO(archive.read(name)), allow_pickle=False) for name in names]
    models = [[archive[str(number)] for number in range(len(SHAPES))] for archive in stored]
    assert checked_pack.outputs.num_models == len(models) == manifest["num_models"]
    test = np.array([logits(model, challenge.test.x) for model in models])
    np.testing.assert_array_equal(checked_pack.outputs.logits["test"], test)
    np.testing.assert_array_equal(
        checked_pack.outputs.correct["test"], test.argmax(axis=-1) == challenge.labels("test")
    )
    np.testing.assert_array_equal(checked_pack.outputs.seeds, manifest["seeds"])
    for name, value in {
        "score_version": SCORE_VERSION,
        "data_sha256": challenge.data_sha256,
        "split_sha256": challenge.split.sha256,
        "original_sha256": "a" * 64,
    }.items():
        assert manifest[name] == value
    assert (
        checked_pack.outputs.seconds.tolist() == [250.0] * len(models)
        if measured
        else np.isnan(checked_pack.outputs.seconds).all()
    )


@pytest.mark.parametrize("num_forged", [2 * len(KINDS), pytest.param(500, marks=pytest.mark.slow)])
def test_forged_packs(
    num_forged: int,
    small_challenge: Challenge,
    checked: Callable[[Case, bytes], CheckedPack],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checking, "progress", lambda numbers, **_: numbers)
    kinds, ends = list(KINDS.items()), Counter[str]()
    for number in range(num_forged):
        forge, expected = kinds[number % len(kinds)]
        case = sound(small_challenge, number)
        content = forge(case)
        checked_pack = checked(case, content)
        what = f"number {number}, {forge.__name__}: {checked_pack.checks[-1]}"
        failed = [outcome.name for outcome in checked_pack.checks if outcome.status == "FAIL"]
        warned = [outcome.name for outcome in checked_pack.checks if outcome.status == "WARN"]
        end = failed[0] if failed else "warned" if warned else "accepted"
        ends[end] += 1
        assert expected == ANY or end in expected.split(" or "), what
        assert checked_pack.sound == (not failed), what
        for outcome in checked_pack.checks:
            assert outcome.name in CHECKS, what
            assert outcome.message.isprintable(), what
            assert len(outcome.message) < 800, what
            assert outcome.status == "PASS" or "Expected" in outcome.message, what
        if checked_pack.sound:
            require_what_is_there(small_challenge, content, checked_pack, measured=case.host)
    assert num_forged / 10 < ends["accepted"] < num_forged / 5
    assert {*ends, "zip"} == {
        "zip",
        "manifest",
        "names",
        "checkpoints",
        "oracle",
        "diversity",
        "rerun",
        "time",
        "warned",
        "accepted",
    }


@pytest.mark.slow
def test_512_copies_with_noise_are_not_diverse(
    small_challenge: Challenge, checked: Callable[[Case, bytes], CheckedPack]
) -> None:
    case = sound(small_challenge, 0, 512)
    first = case.models[0]
    case.models[1:] = [[noisy(array, 1e-6, case.generator) for array in first] for _ in range(511)]
    last = checked(case, whole(case)).checks[-1]
    assert (last.name, last.status) == ("diversity", "FAIL")
    assert "copies of one model with a little noise" in last.message


@pytest.mark.slow
def test_512_retrained_models_are_a_suspicion_that_a_rerun_names(
    small_challenge: Challenge, checked: Callable[[Case, bytes], CheckedPack]
) -> None:
    """What they say is right, and no copy of the oracle's: only how long they take tells."""
    case = sound(small_challenge, 0, 512)
    assert checked(case, whole(case)).sound
    case.host, case.costs = True, 1000.0
    checked_pack = checked(case, whole(case))
    assert {outcome.name: outcome.status for outcome in checked_pack.checks} == {
        **dict.fromkeys(CHECKS[:-1], "PASS"),
        "time": "FAIL",
    }
    assert "1.00 of a retraining" in checked_pack.checks[-1].message
    assert "as if each model were trained anew" in checked_pack.checks[-1].message
