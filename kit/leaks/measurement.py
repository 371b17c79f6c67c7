"""All that is measured of one method, and the counter-measures: who learns what, and at which price."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kit import methods
from kit.leaks import information
from kit.leaks.information import Estimate
from kit.leaks.reconstruction import reconstruct
from kit.leaks.serving import Readings, Requests, Served, Server
from kit.leaks.updates import UpdateLeak, update_leak
from kit.reports.leaks import Leak, Leaks, Price
from kit.rules import RETRAIN
from kit.submission.entry import Entry
from kit.tasks import CLASSIFICATION
from kit.types import Challenge, InputError

# How many are deleted at once, where an attacker asks whether it was one; how many linear models are attacked.
MANY, RECONSTRUCTED = 8, 50
_FEWEST, _MOST_FEATURES = 8, 4096


@dataclass(frozen=True)
class Order:
    """How much is served.

    Args:
        requests: single deletions in each mode, 8 or more; of many deletions at once, and of strangers, half as many.
        batch: requests that `batched` answers with one call.
        seed: by which the records are drawn.
    """

    requests: int = 40
    batch: int = 64
    seed: int = 0


def measure(entry: Entry, challenge: Challenge, order: Order, announce: Callable[[str], None]) -> Leaks:
    """Serves requests by a method in each mode that it has, and measures what the attackers learn.

    Args:
        entry: a method of the kit.
        challenge: what is deleted from; its forget set plays no part.
        order: how much.
        announce: is told what is done.

    Returns:
        Of each mode what duration, answers and weights tell.

    Raises:
        InputError: fewer requests than can be judged, or more than there are records.
    """
    most = min(len(challenge.train) - 1, len(challenge.test))
    if not _FEWEST <= order.requests <= most or not 1 <= order.batch <= len(challenge.train) // 2:
        raise InputError(
            f"{order.requests} requests were asked for, and batches of {order.batch}. Expected {_FEWEST} to {most} "
            f"requests of a record each, and batches of at most {len(challenge.train) // 2}: half of the training set. "
            "Change --requests or --batch."
        )
    generator = np.random.default_rng(order.seed)
    rows = generator.permutation(len(challenge.train))[: order.requests]
    strangers = generator.permutation(len(challenge.test))[: order.requests]
    groups = _groups(generator, challenge, MANY, order.requests // 2)
    batches = _groups(generator, challenge, order.batch, max(order.requests // 2, _FEWEST))
    server = Server(entry, challenge)
    announce(f"{order.requests} single deletions by {entry.name}, and {len(groups)} of {MANY}")
    served, answers = server.serve_and_ask(Requests(rows, groups), strangers)
    plain = replace(served, strangers=Readings.at_once(len(groups)))
    modes, work = {"plain": plain, "padded": plain.released()}, {"plain": plain.rows, "padded": plain.rows}
    if _has_constant(entry):
        announce(f"the same by {entry.name} with constant work, and {len(groups)} strangers")
        modes["constant"] = server.serve(Requests(rows, groups, strangers[: len(groups)]), constant=True)
        work["constant"] = modes["constant"].rows
    announce(f"{len(batches)} batches of {order.batch} deletions")
    together = server.serve(Requests(rows[:0], batches), constant=_has_constant(entry)).groups
    leaks = [line for mode, readings in modes.items() for line in _of_time(server, mode, readings, rows)]
    leaks += [*_of_batches(server, together, batches), *_slow_down(server, plain.rows, rows)]
    leaks += _of_answers(entry, challenge, (rows, strangers), update_leak(answers), announce)
    leaks += _of_weights(challenge, rows[:RECONSTRUCTED])
    prices = [_price(mode, work[mode], readings.rows) for mode, readings in modes.items()]
    prices.append(_price("batched", together, together, order.batch))
    return Leaks(entry.name, challenge.name, order.requests, tuple(leaks), tuple(prices))


def _groups(generator: np.random.Generator, challenge: Challenge, size: int, number: int) -> list[np.ndarray]:
    return [generator.choice(len(challenge.train), size, replace=False) for _ in range(number)]


def _has_constant(entry: Entry) -> bool:
    return entry.built_in and methods.takes(entry.name, "constant")


def _of_time(server: Server, mode: str, served: Served, rows: np.ndarray) -> Iterator[Leak]:
    places = server.places(rows)
    for clock, readings in served.rows.clocks().items():
        if places is None:
            reason = "the method has no slices"
            yield Leak("slice AUC", mode, clock, None, ideal=0.5, reason=reason)
        else:
            shards, slices = places
            late = slices >= (slices.max() + 1) / 2
            # Late slices are served sooner.
            yield _line("slice AUC", mode, clock, information.auc(-readings, late), 0.5)
            for name, secrets in (("slice bits", slices), ("shard bits", shards)):
                yield _line(name, mode, clock, information.mutual_information(secrets, readings), 0.0)
        for name, other in (("membership AUC", served.strangers), ("number AUC", served.groups)):
            of_other = other.clocks()[clock]
            secrets = np.arange(len(readings) + len(of_other)) < len(readings)
            secrets = secrets if name == "membership AUC" else ~secrets
            estimate = information.auc(np.concatenate([readings, of_other]), secrets)
            yield _line(name, mode, clock, estimate, 0.5)


def _of_batches(server: Server, together: Readings, batches: Sequence[np.ndarray]) -> Iterator[Leak]:
    """Yields what the duration of a batch tells of any one record in it."""
    places = server.places(np.concatenate(batches))
    for clock, readings in together.clocks().items():
        if places is None:
            yield Leak("slice AUC", "batched", clock, None, ideal=0.5, reason="the method has no slices")
            continue
        slices = places[1].reshape(len(batches), -1)
        late = slices >= (slices.max() + 1) / 2
        yield _line("slice AUC", "batched", clock, information.auc(-readings, late), 0.5)


def _slow_down(server: Server, single: Readings, rows: np.ndarray) -> Iterator[Leak]:
    """Yields by how much requests that an attacker has chosen are slower than the mean."""
    places, passes = server.places(rows), single.passes
    if places is None:
        value = float(passes.max() / passes.mean()) if passes.mean() else 1.0
        yield Leak("slowest request", "plain", "passes", value, None, 1.0)
        return
    guessed = server.places(rows, b"a key that is not the service's")
    for name, slices in (("slow-down", places[1]), ("slow-down, other key", guessed[1] if guessed else places[1])):
        yield _line(name, "plain", "passes", information.ratio(slices == 0, passes), 1.0)


def _of_answers(
    entry: Entry,
    challenge: Challenge,
    records: tuple[np.ndarray, np.ndarray],
    leak: UpdateLeak,
    announce: Callable[[str], None],
) -> Iterator[Leak]:
    yield _line("update AUC", "plain", "", leak.both, 0.5)
    yield _line("update AUC, before alone", "plain", "", leak.before, 0.5)
    if entry.name != RETRAIN:
        announce(f"{len(records[0])} retrainings, which leak too")
        server = Server(Entry(RETRAIN, pretraining=entry.pretraining), challenge)
        _, answers = server.serve_and_ask(Requests(records[0]), records[1])
        yield _line("update AUC, retrain", "plain", "", update_leak(answers).both, 0.5)


def _of_weights(challenge: Challenge, rows: np.ndarray) -> Iterator[Leak]:
    """Yields how like a deleted record is what is made of a linear model's weights: a property of the data."""
    features = int(np.prod(challenge.input_shape))
    if challenge.task.name != CLASSIFICATION.name or features > _MOST_FEATURES:
        return
    x, public = (part.x.reshape(len(part), -1).astype(np.float64) for part in (challenge.train, challenge.validation))
    result = reconstruct(x, challenge.train.y, public, rows, challenge.num_classes)
    for name, estimate in result.means().items():
        yield _line(f"reconstruction, {name}", "plain", "", estimate, None)


def _price(mode: str, work: Readings, answered: Readings, requests: int = 1) -> Price:
    passes, seconds = float(work.passes.mean()) / requests, float(work.seconds.mean()) / requests
    return Price(mode, passes, seconds, float(answered.seconds.mean()), requests)


def _line(name: str, mode: str, clock: str, estimate: Estimate | None, ideal: float | None) -> Leak:
    if estimate is None:
        reason = "all requests that were drawn are alike in this; serve more"
        return Leak(name, mode, clock, None, ideal=ideal, reason=reason)
    return Leak(name, mode, clock, estimate.value, estimate.stderr, ideal)
