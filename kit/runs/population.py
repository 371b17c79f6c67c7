"""Many runs of one method on any engine: each on disk as soon as it is finished, the same bits on all of them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
from tqdm import tqdm

from kit import engines, files, methods
from kit.engines import Engine
from kit.machine import environment
from kit.machine.quiet import Sealed, run_sealed
from kit.rules import RETRAIN
from kit.runs import originals, pretraining, retrained
from kit.runs import run as runner
from kit.runs.contained import Containment
from kit.runs.originals import Pretrained
from kit.runs.outputs import load_outputs, save_outputs
from kit.submission.source import Method, Source, is_file, method_name, read_source, source_of_function
from kit.toolbox._tensorflow import setup
from kit.types import NUM_WITH_LOGITS, PARTS, Challenge, FailedRun, InputError, ModelOutputs, Outputs, check_challenge

# Starting two more processes with TensorFlow costs as much as training so many small models.
_FEWEST_FOR_PROCESSES = 16
_CHECKPOINT = "training.npz"


@dataclass(frozen=True)
class Run:
    """A finished run: what its model says, how long the call took, its seed, and what the method told."""

    outputs: ModelOutputs
    seconds: float
    seed: int
    facts: Mapping[str, float] = field(default_factory=dict)


def default_engine(num_models: int, workers: int | None = None) -> str:
    """Returns `processes` where that pays or workers are asked for, else `serial`; the bits are the same."""
    if workers is not None:
        return "processes"
    return "processes" if num_models >= _FEWEST_FOR_PROCESSES and engines.usable_cores() > 1 else "serial"


def run_population(
    method: str | Path | Method,
    challenge: Challenge,
    *,
    num_models: int,
    seed: int = 0,
    root: str | Path | None = None,
    engine: str | Engine | None = None,
    workers: int | None = None,
    worker: runner.Worker | None = None,
    containment: Containment | None = None,
    stored_retrained: bool = False,
) -> Outputs:
    """Runs a method `num_models` times with different seeds, each from the same original model.

    Args:
        method, challenge: as in `kit.unlearn`.
        num_models: >= 1.
        seed: of the population; run i has the seed `run_seed(seed, name, i)`.
        root: folder for finished runs, which are found there again: an interrupted population goes on where it
            stopped. Runs of a function are always made anew, because its source does not tell all that it depends on.
            By default nothing is stored.
        engine: `serial`, `processes`, `ray`, or one that `kit.engines.start` returned. By default processes where
            `workers` is given, and for 16 models or more of a name or a file. Every engine makes the same bits.
        workers: of `processes` and of a local `ray`; by default one a core.
        worker: models of this process, to reuse from population to population on the engine `serial`.
        containment: limits and sandbox for a file; by default `limits_for(challenge)` and none.
        stored_retrained: take run 0 of `retrain` from where it is stored (`kit.runs.retrained`), if it is.

    Returns:
        `Outputs` with `num_models` models.

    Raises:
        FailedRun: the method broke its contract, or a worker died again and again.
        InputError: a function that cannot be handed to another process; an engine that there is not.
    """
    if engine is None:
        engine = "serial" if callable(method) and workers is None else default_engine(num_models, workers)
    check_challenge(challenge)
    with contextlib.ExitStack() as stack:
        if isinstance(engine, str):
            engine = stack.enter_context(engines.start(engine, workers=workers))
        work = stack.enter_context(
            contextlib.closing(
                _work(method, challenge, seed=seed, root=root, engine=engine, worker=worker, containment=containment)
            )
        )
        work.stored_retrained = stored_retrained
        runs = dict(_finished(work, num_models))
        missing = [number for number in range(num_models) if number not in runs]
        bar = tqdm(
            total=num_models, initial=len(runs), desc=work.name, unit="model", delay=2, leave=False, mininterval=0.5
        )
        function: Callable[[Any, int], Run] = Work.run
        payload: Work | Sealed = work
        if engine.name != "serial":
            function, payload = run_sealed, Sealed(cloudpickle.dumps(work))
        with bar, contextlib.closing(engine.map(function, payload, missing)) as finished:
            for number, run in finished:
                runs[number] = run
                if not engine.shares_disk:
                    work.store(number, run)
                bar.update()
    ordered = [runs[number] for number in range(num_models)]
    outputs = Outputs.of_models(
        work.name,
        [run.outputs for run in ordered],
        {part: challenge.labels(part) for part in PARTS},
        seconds=[run.seconds for run in ordered],
        seeds=[run.seed for run in ordered],
    )
    told = {name: np.array([run.facts.get(name, math.nan) for run in ordered]) for name in ordered[0].facts}
    return replace(outputs, facts=told)


@dataclass
class Work:
    """All that a worker needs for the runs of one population, handed over once; what it builds from it stays there.

    Args:
        name: the method's name.
        method: a name, or the path of the file that `source` holds; a function pickled by `source_of_function`, so
            that only processes that run it load it.
        source: of a file.
        original: the original's weights, so that no other machine trains its own.
        folder: where runs are stored, or None.
        versions: of the kit's own code and of the libraries, because others would make other models.
        stored_retrained: whether run 0 of `retrain` is taken from where it is stored.
    """

    name: str
    method: str | Path | Method | bytes
    source: Source | None
    challenge: Challenge
    original: Pretrained
    seed: int
    folder: Path | None
    stores: bool
    containment: Containment | None
    versions: dict[str, str]
    worker: runner.Worker | None = None
    stored_retrained: bool = False
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _run_once: runner.RunOnce | None = None

    def __getstate__(self) -> dict[str, object]:
        """What is built from the rest is built again in the other process."""
        return self.__dict__ | {"worker": None, "_stack": None, "_run_once": None}

    def run(self, number: int) -> Run:
        """Makes one model and says what it says of each example."""
        if self._run_once is None or self.worker is None:
            self._prepare()
        assert self.worker is not None and self._run_once is not None  # noqa: PT018  for mypy
        seed = runner.run_seed(self.seed, self.name, number)
        made = self._stored(number) or self._run_once(seed, self._checkpoint_of(number))
        outputs = self.worker.outputs(made.weights, self.name)
        if number >= NUM_WITH_LOGITS:
            outputs = replace(outputs, logits={})
        run = Run(outputs, made.seconds, seed, made.facts)
        if self.stores:
            self.store(number, run)
        return run

    def _stored(self, number: int) -> runner.Made | None:
        """Returns a stored retrained model, and how long making it took: nobody knows, here."""
        if not self.stored_retrained or self.method != RETRAIN or (self.seed, number) != (retrained.SEED, 0):
            return None
        found = retrained.load(self.challenge)
        return None if found is None else runner.Made(found.weights, math.nan, {})

    def _prepare(self) -> None:
        here = {"source": environment.source_sha256()[:12], **environment.versions()}
        if here != self.versions:
            other = ", ".join(f"{name} {here.get(name)} instead of {one}" for name, one in self.versions.items())
            raise FailedRun(
                f"A worker process has another kit or other libraries than this command ({other}). Expected the same "
                "everywhere, because others make other models. Run the command again if the kit's files were changed "
                "meanwhile, or install the same versions on every machine."
            )
        self.worker = self.worker or runner.Worker(self.challenge, self.original)
        setup.warm_up()
        self._stack = contextlib.ExitStack()
        method = pickle.loads(self.method) if isinstance(self.method, bytes) else self.method  # noqa: S301 (this kit's driver made it)
        runs = runner.weights_of_runs(method, self.worker, self.source, self.containment)
        self._run_once = self._stack.enter_context(runs)

    def folder_of(self, number: int) -> Path | None:
        """Returns the folder of one run; what was not made here has another name."""
        if self.folder is None:
            return None
        if self.stored_retrained:  # a file may give way to another one, in which other bits are
            return self.folder / f"stored-{retrained.digest(self.challenge)[:16]}-run-{number:04d}"
        return self.folder / f"seed-{self.seed}-run-{number:04d}"

    def store(self, number: int, run: Run) -> None:
        """Writes a run, its record last: what has a record is whole."""
        folder = self.folder_of(number)
        if folder is None:
            return
        save_outputs(folder / "outputs.npz", run.outputs)
        seconds = None if math.isnan(run.seconds) else run.seconds
        done = {"method": self.name, "seed": run.seed, "seconds": seconds, "versions": environment.versions()}
        done |= {"facts": dict(run.facts)} if run.facts else {}
        files.write_json(folder / "done.json", done)
        (folder / _CHECKPOINT).unlink(missing_ok=True)

    def _checkpoint_of(self, number: int) -> Path | None:
        folder = self.folder_of(number) if self.stores else None
        return None if folder is None else folder / _CHECKPOINT

    def close(self) -> None:
        """Ends the processes of contained runs."""
        if self._stack is not None:
            self._stack.close()
        self._run_once = None


def _work(
    method: str | Path | Method,
    challenge: Challenge,
    *,
    seed: int,
    root: str | Path | None,
    engine: Engine,
    worker: runner.Worker | None,
    containment: Containment | None,
) -> Work:
    name, source = method_name(method), read_source(Path(str(method))) if is_file(method) else None
    challenge = pretraining.of_method(challenge, name)
    worker = worker if worker and worker.challenge.pretraining == challenge.pretraining else None
    original = runner.original_of(challenge) if worker is None else worker.original
    if challenge.pretraining and not engine.shares_disk:
        raise InputError(
            f"'{challenge.pretraining}' keeps files from the training of the original, which other machines do not "
            "have. Expected an engine of this machine. Leave out --address, or use --engine processes."
        )
    folder = None
    if root is not None and not callable(method):
        folder = population_folder(Path(root), name, challenge, original, source)
    if source is not None:  # limits are measured on this machine
        containment = containment or Containment()
        limits = containment.limits(challenge)
        containment = Containment(limits.seconds, limits.memory_bytes, containment.sandboxed)
    serial = engine.name == "serial"
    handed: str | Path | Method | bytes = method
    if callable(method) and not serial:
        handed = source_of_function(method).files["function.pickle"]
    return Work(
        name=name,
        method=handed,
        source=source,
        challenge=challenge,
        original=original,
        seed=seed,
        folder=folder,
        stores=engine.shares_disk,
        containment=containment,
        versions={"source": environment.source_sha256()[:12], **environment.versions()},
        worker=worker if serial else None,
    )


def _finished(work: Work, num_models: int) -> Iterator[tuple[int, Run]]:
    for number in range(num_models):
        folder = work.folder_of(number)
        run = None if folder is None else _load_run(folder, with_logits=number < NUM_WITH_LOGITS)
        if run is not None:
            yield number, run


def _load_run(folder: Path, *, with_logits: bool) -> Run | None:
    """Returns a finished run, or None where it has to be made (again): unfinished, or damaged since."""
    files.remove_leftovers(folder)
    try:
        done = json.loads((folder / "done.json").read_text())
        outputs = load_outputs(folder / "outputs.npz")
        if with_logits and not outputs.logits:
            return None
        seconds = math.nan if done["seconds"] is None else float(done["seconds"])
        return Run(outputs, seconds, int(done["seed"]), done.get("facts", {}))
    except (*files.DAMAGED, TypeError):
        return None


def population_folder(
    root: Path, name: str, challenge: Challenge, original: Pretrained, source: Source | None = None
) -> Path:
    """Returns `<root>/<challenge>/<method>-<hash>`, the hash covering all that the runs depend on but their seeds."""
    given = runner.hyperparameters(name if source is None else Path(f"{name}.py"), challenge)
    settings = {key: asdict(value) if key == "recipe" else value for key, value in given.items()}
    if source is not None:
        settings["source"] = source.sha256
    elif name in methods.names() and methods.source_sha256(name):  # an installed package's, which is no part of the kit
        settings["source"] = methods.source_sha256(name)
    described = [
        name,
        settings,
        originals.fingerprint(challenge),
        challenge.data_sha256,
        challenge.precision,
        original.sha256,
        challenge.split.sha256,
        environment.source_sha256(),
        environment.versions(),
        environment.machine(),
    ]
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
    return root / challenge.name / f"{name}-{digest[:12]}"
