"""Populations: on disk as they are made, found again, and the same bits on every engine and after every accident."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import forked_guests
import guests
import keras
import numpy as np
import processes as forked
import pytest
import signals
import tensorflow as tf

import kit
from kit import engines
from kit.engines import Engine
from kit.engines import ray as ray_cluster
from kit.runs import originals, run, store
from kit.runs import population as populations
from kit.runs.choice import default_engine
from kit.runs.order import Maker, Order
from kit.runs.population import run_population
from kit.runs.run import Unlearned, unlearn
from kit.runs.seeds import run_seed
from kit.runs.store import population_folder
from kit.runs.worker import Worker
from kit.storage import locks
from kit.submission.entry import Entry
from kit.types import NUM_WITH_LOGITS, PARTS, BrokenSubmission, Challenge, FailedRun, Outputs, Recipe

Net = keras.Model


def assert_same_models(first: Outputs, second: Outputs) -> None:
    assert first.method == second.method
    np.testing.assert_array_equal(first.seeds, second.seeds)
    for part in PARTS:
        for kind in ("confidences", "correct", "logits"):
            np.testing.assert_array_equal(getattr(first, kind)[part], getattr(second, kind)[part])
        np.testing.assert_array_equal(first.labels[part], second.labels[part])


@pytest.fixture
def population(small_challenge: Challenge, builtin_worker: Worker, tmp_path: Path) -> Callable[..., Outputs]:
    """Runs models of finetune, stored under `root`."""

    def run(num_models: int, **options: Any) -> Outputs:
        options = {"method": "finetune", "seed": 0, "root": tmp_path / "runs", "worker": builtin_worker} | options
        return run_population(options.pop("method"), small_challenge, num_models=num_models, **options)

    return run


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds of the runs made so far."""
    seeds: list[int] = []
    run_here = run.run_here

    def follow(*arguments: Any, seed: int, **settings: Any) -> Unlearned:
        seeds.append(seed)
        return run_here(*arguments, seed=seed, **settings)

    monkeypatch.setattr(run, "run_here", follow)
    return seeds


def run_folders(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.rglob("done.json"))


def test_a_population_holds_each_run(
    small_challenge: Challenge, worker: Worker, population: Callable[..., Outputs]
) -> None:
    outputs = population(2, seed=9)
    assert (outputs.method, outputs.num_models) == ("finetune", 2)
    assert outputs.seeds.tolist() == [run_seed(9, "finetune", number) for number in range(2)]
    assert (outputs.seconds > 0).all()
    for number, seed in enumerate(outputs.seeds.tolist()):
        net = unlearn("finetune", small_challenge, seed=seed, worker=Worker(small_challenge)).net
        for part, logits in worker.outputs(net.get_weights(), "finetune").logits.items():
            np.testing.assert_array_equal(outputs.logits[part][number], logits)
            np.testing.assert_array_equal(outputs.labels[part], small_challenge.labels(part))


def test_finished_runs_are_found_again(population: Callable[..., Outputs], calls: list[int]) -> None:
    first = population(2)
    again = population(2)
    assert len(calls) == 2
    assert_same_models(again, first)
    np.testing.assert_array_equal(again.seconds, first.seconds)


def test_more_models_keep_those_that_there_are(population: Callable[..., Outputs], calls: list[int]) -> None:
    first = population(1)
    more = population(3)
    assert len(calls) == len(set(calls)) == 3
    assert_same_models(more.select(slice(1)), first)
    assert more.seconds[0] == first.seconds[0]
    assert_same_models(more, population(3, root=None))
    assert_same_models(population(2), more.select(slice(2)))


@pytest.mark.parametrize("changes", [{"seed": 1}, {"method": "original"}, {"root": None}])
def test_another_population_is_not_mistaken_for_it(
    population: Callable[..., Outputs], calls: list[int], changes: dict[str, Any]
) -> None:
    population(1)
    population(1, **changes)
    assert len(calls) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"hyperparameters": {"finetune": {"epochs": 2}}},
        {"split": "class:1"},
        {"recipe": Recipe(epochs=1)},
        {"batch_size": 16},
    ],
)
def test_a_folder_belongs_to_one_challenge_and_its_settings(
    small_challenge: Challenge, worker: Worker, changes: dict[str, Any], tmp_path: Path
) -> None:
    if "split" in changes:
        changes = {"split": kit.make_split(small_challenge.train, changes["split"])}
    folder = population_folder(tmp_path, Entry("finetune"), small_challenge, worker.original)
    assert folder.parent == tmp_path / "small"
    assert population_folder(tmp_path, Entry("finetune"), small_challenge, worker.original) == folder
    assert (
        population_folder(tmp_path, Entry("finetune"), replace(small_challenge, **changes), worker.original) != folder
    )


def test_an_interrupted_population_goes_on_where_it_stopped(
    population: Callable[..., Outputs], calls: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = population(3, root=None)
    calls.clear()
    save = store.save_outputs

    def killed_while_saving(path: Path, logits: dict[str, np.ndarray]) -> None:
        save(path, logits)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "save_outputs", killed_while_saving)
        with pytest.raises(KeyboardInterrupt):
            population(3)
    assert len(run_folders(tmp_path)) == 1
    assert_same_models(population(3), whole)
    assert calls == whole.seeds[[0, 1, 1, 2]].tolist()


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("done.json", Path.unlink),
        ("done.json", cut_in_half),
        ("done.json", lambda path: path.write_text("{}")),
        ("outputs.npz", Path.unlink),
        ("outputs.npz", cut_in_half),
        ("outputs.npz", lambda path: path.write_text("rubbish")),
        ("outputs.npz", flip_a_bit),
    ],
)
def test_an_unfinished_or_damaged_run_is_made_again(
    population: Callable[..., Outputs], calls: list[int], name: str, damage: Callable[[Path], Any], tmp_path: Path
) -> None:
    first = population(2)
    folder = run_folders(tmp_path)[0]
    intact = (folder / "outputs.npz").read_bytes()
    damage(folder / name)
    for _ in range(2):
        assert_same_models(population(2), first)
        assert calls == first.seeds[[0, 1, 0]].tolist()
    assert (folder / "outputs.npz").read_bytes() == intact
    assert sorted(path.name for path in folder.iterdir()) == ["done.json", "outputs.npz"]


def test_of_two_processes_that_make_the_same_runs_the_second_waits_and_finds_them(
    population: Callable[..., Outputs], calls: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = population(2)
    second_run = run_folders(tmp_path)[1]
    lock = locks.held(second_run.parent / ".seed-0.lock", on_wait=None)
    lock.__enter__()
    second_run.rename(tmp_path / "not yet there")

    def finish_the_others(entry: Any) -> None:
        (tmp_path / "not yet there").rename(second_run)
        lock.__exit__(None, None, None)

    monkeypatch.setattr(populations, "_say_that_it_waits", finish_the_others)
    assert_same_models(population(2), first)
    assert len(calls) == 2
    assert sorted(path.name for path in second_run.parent.iterdir()) == ["seed-0-run-0000", "seed-0-run-0001"]


def test_half_a_file_of_a_killed_process_goes_but_not_one_that_is_being_written(
    population: Callable[..., Outputs], calls: list[int], tmp_path: Path
) -> None:
    population(1)
    old, young = (run_folders(tmp_path)[0] / name for name in (".outputs.npz.old", ".outputs.npz.young"))
    for path, hours in ((old, 2), (young, 0)):
        path.touch()
        os.utime(path, (time.time() - 3600 * hours,) * 2)
    population(1)
    assert (old.exists(), young.exists(), len(calls)) == (False, True, 1)


def test_a_record_tells_how_a_run_was_made(population: Callable[..., Outputs], tmp_path: Path) -> None:
    outputs = population(1)
    record = json.loads((run_folders(tmp_path)[0] / "done.json").read_text())["content"]
    assert (record["method"], record["seed"], record["cost"]["seconds"]) == (
        "finetune",
        outputs.seeds[0],
        outputs.seconds[0],
    )
    assert record["versions"]["tensorflow"] == tf.__version__
    assert record["versions"]["keras"] == keras.__version__


def test_runs_of_a_function_are_not_stored(
    population: Callable[..., Outputs], calls: list[int], tmp_path: Path
) -> None:
    def mine(net: Net, *datasets: tf.data.Dataset) -> Net:
        return net

    outputs = [population(1, method=mine) for _ in range(2)]
    assert len(calls) == 2
    assert outputs[0].method == "mine"
    assert_same_models(*outputs)
    assert not (tmp_path / "runs").exists()


def test_original_has_the_logits_of_the_pretrained_weights(
    small_challenge: Challenge, population: Callable[..., Outputs]
) -> None:
    net = originals.build(small_challenge)
    net.set_weights(originals.load(small_challenge).weights)
    logits = population(1, method="original").logits["test"][0]
    np.testing.assert_allclose(logits, net.predict(small_challenge.test.x, verbose=0), rtol=0, atol=1e-5)


# Engines


@pytest.fixture(scope="module")
def processes() -> Iterator[Engine]:
    with pytest.MonkeyPatch.context() as patch:
        forked_guests.fork_workers(patch)
        with engines.start("processes", workers=2) as engine:
            yield engine


@pytest.mark.slow
@pytest.mark.parametrize("method", ["finetune", "retrain", "original"])
def test_processes_make_the_bits_that_this_process_makes(
    population: Callable[..., Outputs], processes: Engine, method: str
) -> None:
    alone = population(5, method=method, root=None)
    assert_same_models(population(5, method=method, root=None, engine=processes), alone)


@pytest.mark.slow
def test_what_processes_made_is_found_again_by_any_engine(
    population: Callable[..., Outputs], processes: Engine, calls: list[int], tmp_path: Path
) -> None:
    first = population(3, engine=processes)
    assert len(run_folders(tmp_path)) == 3
    assert_same_models(population(3), first)
    assert calls == []
    more = population(5, engine=processes)
    assert_same_models(more.select(slice(3)), first)
    np.testing.assert_array_equal(more.seconds[:3], first.seconds)


def seeded(net: Net, retain: tf.data.Dataset, forget: tf.data.Dataset, validation: tf.data.Dataset) -> Net:
    """A user's function with noise of its own."""
    net.set_weights([array + np.random.normal(size=array.shape) for array in net.get_weights()])
    return net


@pytest.mark.slow
def test_a_users_function_goes_to_other_processes(population: Callable[..., Outputs], processes: Engine) -> None:
    shift = 0.5

    def closes_over(net: Net, *datasets: tf.data.Dataset) -> Net:
        return seeded(net, *datasets) if shift else net

    for method in (seeded, closes_over):
        assert_same_models(population(4, method=method, engine=processes), population(4, method=method))


@pytest.mark.slow
def test_a_function_that_cannot_be_copied_is_refused(
    population: Callable[..., Outputs], processes: Engine, refused: Callable[..., str], tmp_path: Path
) -> None:
    with (tmp_path / "log.txt").open("w") as stream:

        def writes(net: Net, *datasets: tf.data.Dataset) -> Net:
            stream.write("called")
            return net

        refused(lambda: population(2, method=writes, engine=processes), "'writes' cannot be handed")


SUBMISSION = """
import numpy as np

def unlearning(net, retain, forget, validation):
    net.set_weights([array + np.random.normal(size=array.shape) for array in net.get_weights()])
    return net
"""
BROKEN = """
def unlearning(net, retain, forget, validation):
    raise KeyError("missing")
"""


@pytest.mark.slow
def test_a_file_runs_contained_in_other_processes_too(
    population: Callable[..., Outputs], processes: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(SUBMISSION)
    path = str(tmp_path / "mine.py")
    there = population(4, method=path, root=None, engine=processes)
    assert guests.still_running(tmp_path)
    population(2, method="original", root=None, engine=processes)  # another population: contained processes end
    assert guests.still_running(tmp_path) == []
    guests.fork_them(monkeypatch)
    assert_same_models(there, population(4, method=path, root=None))
    assert len(np.unique(there.confidences["test"], axis=0)) == 4


@pytest.mark.slow
def test_a_broken_file_is_told_from_other_processes_too(
    population: Callable[..., Outputs], processes: Engine, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    with pytest.raises(BrokenSubmission, match="KeyError") as caught:
        population(1, method=str(tmp_path / "broken.py"), engine=processes)
    assert caught.value.check == "runs"


def test_a_worker_with_another_kit_is_refused(small_challenge: Challenge, builtin_worker: Worker) -> None:
    order = Order(
        entry=Entry("original"),
        challenge=small_challenge,
        original=builtin_worker.original,
        seed=0,
        store=None,
        containment=None,
        stored_retrained=False,
        versions={"source": "another", "keras": "0.1"},
    )
    with pytest.raises(FailedRun, match=r"another kit or other libraries .*keras .* instead of 0\.1"):
        Maker(order).run(0)


@pytest.mark.parametrize(("models", "cores", "expected"), [(15, 8, "serial"), (16, 8, "processes"), (512, 1, "serial")])
def test_processes_are_started_where_that_pays(
    models: int, cores: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "usable_cores", lambda: cores)
    assert default_engine(models) == expected


def test_only_the_first_models_store_their_logits(population: Callable[..., Outputs], tmp_path: Path) -> None:
    many = population(NUM_WITH_LOGITS + 2, method="original", engine="serial")
    assert many.logits["test"].shape[0] == NUM_WITH_LOGITS
    sizes = [(folder / "outputs.npz").stat().st_size for folder in run_folders(tmp_path)]
    assert len(set(sizes[:NUM_WITH_LOGITS])) == 1
    assert max(sizes[NUM_WITH_LOGITS:]) < 0.6 * sizes[0]  # three classes: three logits against a float and a boolean
    again = population(NUM_WITH_LOGITS + 2, method="original")
    assert_same_models(again, many)


# Killed at any moment

SCRIPT = """
import sys
import numpy as np
import kit
from kit.types import Recipe

root, engine, workers = sys.argv[1:4]
generator = np.random.default_rng(0)
labels = np.arange(240) % 3
features = generator.normal(size=(240, 6)) + labels[:, np.newaxis]
challenge = kit.make_challenge("killed", kit.Arrays(features, labels), recipe=Recipe(epochs=60), batch_size=8)
outputs = kit.run_population("retrain", challenge, num_models=6, root=root, engine=engine, workers=int(workers))
np.savez(root + ".npz", confidences=outputs.confidences["forget"], seeds=outputs.seeds)
"""


def start_script(folder: Path, engine: str, name: str, workers: int = 1) -> forked.Forked:
    (folder / "script.py").write_text(SCRIPT)
    return forked.Forked(folder / "script.py", [folder / name, engine, str(workers)], folder, os.environ)


def finished_runs(root: Path) -> int:
    return len(list(root.rglob("done.json")))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    finished = start_script(folder, "serial", "undisturbed").finish(600)
    assert finished.returncode == 0, finished.stderr
    return folder / "undisturbed.npz"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["serial", "processes"])
def test_a_killed_population_goes_on_and_ends_with_the_same_bits(
    tmp_path: Path, engine: str, undisturbed: Path
) -> None:
    """Killed without a word while the first models are made, interrupted when it goes on, and left alone at last."""
    for at, how, workers in ((1, signal.SIGKILL, 2), (3, signal.SIGINT, 1)):
        process = start_script(tmp_path, engine, "disturbed", workers if engine == "processes" else 1)
        deadline = time.monotonic() + 120
        while finished_runs(tmp_path / "disturbed") < at and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        signals.stop(process, how)
        assert process.finish().returncode != 0
        assert finished_runs(tmp_path / "disturbed") >= at
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "disturbed").rglob("done.json")}
    finished = start_script(tmp_path, engine, "disturbed").finish(600)
    assert finished.returncode == 0, finished.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before  # none was made again
    with np.load(undisturbed) as first, np.load(tmp_path / "disturbed.npz") as second:
        for name in first.files:
            np.testing.assert_array_equal(first[name], second[name])


# Ray's own: what it warns of when a node is killed is no fault of the kit.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.slow
def test_a_cluster_that_loses_a_node_makes_the_same_bits(
    population: Callable[..., Outputs], calls: list[int], tmp_path: Path
) -> None:
    alone = population(30, root=None, engine="serial")
    ray_cluster._import_ray()  # as the kit does it
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        node = cluster.add_node(num_cpus=1)
        ray.init(cluster.address, log_to_driver=False, logging_level="CRITICAL")

        def kill_when_some_are_stored() -> None:
            while len(run_folders(tmp_path)) < 3:
                time.sleep(0.01)
            cluster.remove_node(node, allow_graceful=False)

        killer = threading.Thread(target=kill_when_some_are_stored, daemon=True)
        killer.start()
        calls.clear()
        assert_same_models(population(30, engine="ray"), alone)
        killer.join(60)
        assert not killer.is_alive()
        assert len(ray.nodes()) == 2
        deadline = time.monotonic() + 60
        while [node["Alive"] for node in ray.nodes()].count(True) > 1:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert len(run_folders(tmp_path)) == 30  # the driver stored what the nodes made
    assert_same_models(population(30, engine="serial"), alone)
    assert calls == []
