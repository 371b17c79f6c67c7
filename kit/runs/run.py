"""One run of a method: seeded, timed, from the original model and a state that earlier runs have not touched."""

from __future__ import annotations

import contextlib
import functools
import inspect
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from kit import methods, models
from kit.rules import RETRAIN
from kit.runs import originals, pretraining
from kit.runs.contained import ContainedRuns, Containment, limits_for, verdict_path
from kit.runs.originals import Pretrained
from kit.runs.outputs import compute_outputs
from kit.submission import text_checks
from kit.submission.call import Call
from kit.submission.contained import Contained, Inputs
from kit.submission.source import Method, Source, is_file, load_method, method_name, read_source
from kit.toolbox import checkpoints, facts, seeding
from kit.toolbox._tensorflow import setup
from kit.types import Challenge, FailedRun, ModelOutputs, check_challenge


@dataclass(frozen=True)
class Unlearned:
    """A model that a method returned, the duration of the call in seconds, the run's seed, and what the method told."""

    net: keras.Model
    seconds: float
    seed: int
    facts: Mapping[str, float] = field(default_factory=dict)


class Worker:
    """Holds the models of one process, so that the next run starts from the same state without being traced again.

    A built-in method is handed the same model each time, with every variable put back (weights, batch statistics,
    seed generators). A model that was compiled, frozen in part or given to a user's function is not handed out again.
    """

    def __init__(self, challenge: Challenge, original: Pretrained | None = None) -> None:
        """Prepares TensorFlow and loads the original (which is trained now if it neither ships nor is cached)."""
        setup.prepare_tensorflow()
        self.challenge = challenge
        self.original = original or original_of(challenge)
        self._scoring_net = self._build("float32")
        self._base: keras.Model | None = None
        self._net: keras.Model | None = None
        self._flags: list[bool] = []

    def fresh_net(self, seed: int, *, reuse: bool) -> keras.Model:
        """Returns the original model, ready for a run with `seed`."""
        net = self._net
        if not reuse or net is None or net.compiled or _trainable_flags(net) != self._flags:
            net = self._build(self.challenge.precision)
            self._net, self._flags = (net, _trainable_flags(net)) if reuse else (None, [])
        net.set_weights(self.original.weights)
        seeding.seed_generators_reset(net, seed)
        return net

    def _build(self, precision: str) -> keras.Model:
        challenge = self.challenge
        if self.original.model:  # a method's own training has made another one, in float32
            return models.build(self.original.model, challenge.input_shape, challenge.num_classes)
        return models.build(challenge.model, challenge.input_shape, challenge.num_classes, precision)

    def base(self) -> keras.Model:
        """Returns the network that a method's own training trains anew, the same object each time."""
        if self._base is None:
            self._base = pretraining.new_base(self.challenge)
        return self._base

    def net_with(self, weights: Sequence[np.ndarray]) -> keras.Model:
        """Returns the architecture that the kit built, with these weights (the same object each time)."""
        self._scoring_net.set_weights(list(weights))
        return self._scoring_net

    def outputs(self, weights: Sequence[np.ndarray], method: str) -> ModelOutputs:
        """Takes a returned model's weights into an architecture that the kit built, and computes its outputs there."""
        weights = [np.asarray(array) for array in weights]
        expected = [tuple(array.shape) for array in self._scoring_net.weights]
        if [array.shape for array in weights] != expected:
            raise FailedRun(
                f"The model that '{method}' returned has {len(weights)} weight arrays of other shapes than the "
                f"original's {len(expected)}. Expected the architecture of 'net', because the scorer takes the weights "
                "only. Return 'net', or a model built like it."
            )
        return compute_outputs(self.net_with(weights), self.challenge, method)

    def inputs(self, method: str) -> Inputs:
        """Returns what a contained process is handed: the three sets in their order, and the original's weights."""
        challenge, split = self.challenge, self.challenge.split
        arrays = {"validation_x": challenge.validation.x, "validation_y": challenge.validation.y}
        for part, indices in (("retain", split.retain), ("forget", split.forget)):
            arrays |= {f"{part}_x": challenge.train.x[indices], f"{part}_y": challenge.train.y[indices]}
        return Inputs(
            arrays=arrays,
            weights=self.original.weights,
            model=challenge.model,
            precision=challenge.precision,
            input_shape=challenge.input_shape,
            num_classes=challenge.num_classes,
            batch_size=challenge.batch_size,
            hyperparameters=hyperparameters(Path(f"{method}.py"), challenge),
        )


def original_of(challenge: Challenge) -> Pretrained:
    """Returns the original model's weights, of a method's own training where the challenge names one."""
    return pretraining.load(challenge) if challenge.pretraining else originals.load(challenge)


def _trainable_flags(net: keras.Model) -> list[bool]:
    return [part.trainable for part in (*net.layers, *net.variables)]


def run_seed(seed: int, method: str, number: int) -> int:
    """Returns the seed of run `number` of a method: no two methods and no two runs share a stream.

    Example:
        >>> run_seed(0, "retrain", 0) == run_seed(0, "retrain", 1)
        False
    """
    return int(np.random.SeedSequence([seed, zlib.crc32(method.encode()), number]).generate_state(1)[0])


def unlearn(
    method: str | Path | Method,
    challenge: Challenge,
    *,
    seed: int = 0,
    worker: Worker | None = None,
    checkpoint: Path | None = None,
) -> Unlearned:
    """Runs a method once and times the call.

    Args:
        method: a name, a function or a path. A name or a function is called in this process, a file in one of its own
            (`kit.submission.contained`).
        challenge: see `kit.load_challenge`.
        seed: the same seed gives the same weights on the same machine, to the bit.
        worker: models to reuse from run to run; by default new ones.
        checkpoint: file for the state of a long training, for methods with a parameter of that name; delete it once
            the result is stored. The seconds of interrupted runs are counted.

    Raises:
        FailedRun: the method raised an error or did not return a `keras.Model`.

    Example:
        >>> import kit
        >>> unlearn("original", kit.load_challenge()).net.name
        'convnet'
    """
    check_challenge(challenge)
    challenge = pretraining.of_method(challenge, method_name(method))
    worker = worker if worker and worker.challenge.pretraining == challenge.pretraining else Worker(challenge)
    if is_file(method):
        source, inputs = read_source(Path(str(method))), worker.inputs(method_name(method))
        text_checks.require(source)
        with Contained(source, inputs, limits_for(challenge)) as contained:
            answer = contained.run(seed)
        net = worker.fresh_net(seed, reuse=False)
        net.set_weights(answer.weights)
        return Unlearned(net, answer.seconds, seed)
    function = _function(method, challenge, seed, worker)
    settings = hyperparameters(method, challenge)
    if checkpoint is not None and "checkpoint" in inspect.signature(function).parameters:
        settings["checkpoint"] = checkpoint
    reuse = isinstance(method, str) and method in methods.names()
    train, split, validation = challenge.train, challenge.split, challenge.validation
    sets = {
        "retain": (train, split.retain),
        "forget": (train, split.forget),
        "validation": (validation, np.arange(len(validation))),
    }
    fresh_net = functools.partial(worker.fresh_net, seed, reuse=reuse)
    call = Call.prepare(seed, fresh_net, sets, challenge.batch_size, keep_compiled=reuse)
    told: Mapping[str, float] = {}
    try:
        with contextlib.ExitStack() as stack:
            if challenge.pretraining and "folder" in inspect.signature(function).parameters:
                settings["folder"] = stack.enter_context(pretraining.copy_of_state(worker.original))
            returned, seconds = call.make(function, settings)
            told = facts.read(settings["folder"]) if "folder" in settings else {}
    except Exception as error:  # a stranger's function can raise anything
        raise FailedRun(
            f"'{method_name(method)}' failed {_where(error)} with {type(error).__name__}: {_first_line(error)} "
            "Expected unlearning(net, retain, forget, validation) to return the unlearned model. Mend the function; "
            "--debug shows the whole traceback."
        ) from error
    if "checkpoint" in settings:
        seconds += checkpoints.earlier_seconds(settings["checkpoint"])
    if not isinstance(returned, keras.Model):
        raise FailedRun(
            f"'{method_name(method)}' returned {type(returned).__name__}. Expected the unlearned keras.Model. End the "
            "function with 'return net'."
        )
    return Unlearned(returned, seconds, seed, told)


def _function(method: str | Path | Method, challenge: Challenge, seed: int, worker: Worker) -> Method:
    """Returns the function of a method; to retrain is to train as the original was."""
    if method == RETRAIN and challenge.pretraining:
        return lambda _net, _retain, _forget, _validation: pretraining.retrain(challenge, seed, worker.base())
    return load_method(method)


def _where(error: BaseException) -> str:
    """Names the innermost line outside installed libraries, the one that its author can change."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    return f"in {Path(frames[-1].filename).name}, line {frames[-1].lineno}," if len(frames) > 1 else "when called,"


def _first_line(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or [""])[0]
    return line if line.endswith(".") else f"{line}."


def hyperparameters(method: str | Path | Method, challenge: Challenge) -> dict[str, Any]:
    """Returns the keyword arguments of a method on this challenge; `retrain` is given the original's recipe.

    A file or a function of a user's that has the name of a built-in method is given none: they may not even be its own.
    """
    name = method_name(method)
    if name in methods.names() and str(method) != name:
        return {}
    settings = dict(challenge.hyperparameters.get(name, {}))
    if challenge.pretraining:  # it has taken its part of them itself
        if name == RETRAIN:
            return {}
        return {key: value for key, value in settings.items() if key not in pretraining.settings(challenge)}
    return {"recipe": challenge.recipe} | settings if name == RETRAIN else settings


class Made(NamedTuple):
    """What a run has made: the model's weights, how long the call took, and what the method told."""

    weights: Sequence[np.ndarray]
    seconds: float
    facts: Mapping[str, float]


# seed, file for the state of a long training
RunOnce = Callable[[int, Path | None], Made]


@contextlib.contextmanager
def weights_of_runs(
    method: str | Path | Method, worker: Worker, source: Source | None, containment: Containment | None
) -> Iterator[RunOnce]:
    """Gives a function that runs a method with a seed and returns what it has made."""
    if source is None:

        def in_process(seed: int, checkpoint: Path | None) -> Made:
            unlearned = unlearn(method, worker.challenge, seed=seed, worker=worker, checkpoint=checkpoint)
            return Made(unlearned.net.get_weights(), unlearned.seconds, unlearned.facts)

        yield in_process
        return
    text_checks.require(source)
    containment = containment or Containment()
    limits = containment.limits(worker.challenge)
    inputs = worker.inputs(method_name(method))
    verdict = verdict_path(source, worker.challenge)
    runs = ContainedRuns(lambda: Contained(source, inputs, limits, sandboxed=containment.sandboxed), verdict)
    with contextlib.closing(runs):
        yield lambda seed, _: Made(*runs.run(seed), {})
