"""What a queue gives away by its times, served plainly and with counter-measures: python -m benchmarks.queue_timing

    python -m benchmarks.queue_timing [--challenge noisy-digits] [--requests 24] [--batch 8] [--batches 24]

A certified model in shards is asked to forget records, one a request, and the queue of `kit requests run` serves them:
so many one by one, and so many batches. Who asked sees when a batch was begun and settled; who reads the log sees when
its certificate was signed. The clock is one of passes over examples, without noise. From both an attacker tells records
of late slices from those of early ones: the AUC is 0.5 where nothing is told. After it stands its standard error, a
jackknife over batches, of which twice as much on either side is the interval of 95 %; before it, what the closed form
says (`kit.leaks.batches`). Padded: ticks of twice the longest batch.
"""

import argparse
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import kit  # first: it asks TensorFlow for one thread
from kit.leaks.batches import slice_auc
from kit.leaks.information import Estimate, auc
from kit.methods import sisa
from kit.proofs import signatures, trail
from kit.proofs.certify import Order, begin
from kit.proofs.signatures import Signer
from kit.proofs.trail import Trail
from kit.proofs.trainings import shape_of
from kit.runs import process
from kit.storage.scratch import Scratch
from kit.streams import evidence, owners, policies
from kit.streams.database import FOLDER
from kit.streams.leases import Leases
from kit.streams.queue import Asked, Door
from kit.streams.release import Ticks
from kit.streams.running import serve
from kit.streams.store import Store
from kit.streams.tombstones import Key
from kit.streams.work import OnTrail
from kit.toolbox import costs
from kit.types import Challenge

_BEGINNING = 1_700_000_000.0
# A forward pass is a third of a pass: in thirds the clock has whole numbers, which no second cuts.
_THIRDS = 3


@dataclass(frozen=True)
class Serving:
    """How a queue is served: so many requests a batch, with constant work, at ticks of so many passes (0: none)."""

    name: str
    batch: int = 1
    constant: bool = False
    tick: float = 0.0


@dataclass(frozen=True)
class Seen:
    """What is seen of each batch, float64 (batches,), in passes since it was begun, and what it cost."""

    settled: np.ndarray
    signed: np.ndarray
    cpu_seconds: float

    def leaks(self, late: np.ndarray) -> tuple[Estimate | None, Estimate | None]:
        """Returns the AUC of telling late slices, booleans (requests,), by each time: late ones take less."""
        groups = late.reshape(len(self.settled), -1)
        return auc(-self.settled, groups), auc(-self.signed, groups)


@dataclass(frozen=True)
class Start:
    """A certified model in shards, its data, and whose log it is."""

    folder: Path
    challenge: Challenge
    signer: Signer

    def late_slices(self, rows: np.ndarray) -> np.ndarray:
        """Returns which records are in the later half of slices, booleans (n,)."""
        some = self.challenge.train.take(rows)
        kept = Trail.read(self.folder, self.signer.verifier).path / trail.KEPT
        _, slices = sisa.places(kept, some.x, some.y)
        return slices >= (slices.max() + 1) / 2


def seen(start: Start, folder: Path, rows: Sequence[int], how: Serving) -> Seen:
    """Serves a request for each row on a copy of a certified model, and returns what is seen of the batches.

    Args:
        start: the certified model.
        folder: for the copy.
        rows: of training examples, a multiple of `how.batch`.
        how: see there.
    """
    shutil.copytree(start.folder, folder)
    waited = [0.0]
    before = time.process_time()
    with costs.counted() as counter:

        def clock() -> float:
            return _BEGINNING + round(_THIRDS * counter.passes) + waited[0]

        def sleep(seconds: float) -> None:
            waited[0] += seconds

        with Store(folder / FOLDER, clock) as store:
            keys, each = [f"request-{row}" for row in rows], [np.array([row]) for row in rows]
            Door.of(folder, start.challenge, store).add(Asked(keys, each, None, None, "benchmark"))
            work = OnTrail(
                folder,
                start.challenge,
                start.signer,
                Key.read(store.folder),
                constant=how.constant,
                ticks=Ticks(_THIRDS * how.tick, sleep),
                clock=store.now,
            )
            mine = Leases(store, owners.this_process(), "benchmark")
            served = list(serve(mine, work, policies.named(f"every:{how.batch}"), ticks=work.ticks))
            begun = np.array([batch.batch.begun for batch in served])
            firsts = [batch.batch.requests[0].number for batch in served]
            settled = np.array([store.get(number).settled for number in firsts]) - begun
            signed = np.array([_signed(store, number) for number in firsts]) - begun
    cost = (time.process_time() - before) / len(rows)
    return Seen(settled / _THIRDS, signed / _THIRDS, cost)


def _signed(store: Store, number: int) -> float:
    return datetime.fromisoformat(evidence.read(store, number)["outcome"]["certified_at"]).timestamp()


def measured(
    challenge: Challenge,
    rows: np.ndarray,
    batch: int,
    root: Path,
    show: Callable[[Serving, Seen, np.ndarray], None],
    *,
    in_batches: np.ndarray | None = None,
) -> None:
    """Certifies a model in shards, and serves the same requests in each way.

    Args:
        challenge: its data.
        rows: of training examples, a multiple of `batch`.
        batch: requests that are served together.
        root: an empty folder.
        show: is given each way, what is seen, and which records are in late slices.
        in_batches: rows that are served in batches, a multiple of `batch`; None for the same.
    """
    start = Start(root / "start", challenge, signatures.signer())
    begin(start.folder, challenge, start.signer, Order("sisa"))
    longest = 0.0
    ways: list[Callable[[], Serving]] = [
        lambda: Serving("plain"),
        lambda: Serving("padded", tick=2 * longest),
        lambda: Serving("constant", constant=True),
        lambda: Serving("batched", batch),
        lambda: Serving("batched, constant", batch, constant=True),
        lambda: Serving("batched, padded", batch, tick=2 * longest),
    ]
    for number, way in enumerate(ways):
        how = way()
        served = rows if how.batch == 1 or in_batches is None else in_batches
        result = seen(start, root / f"{number}", served.tolist(), how)
        longest = max(longest, float(result.settled.max()))
        show(how, result, start.late_slices(served))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--challenge", default="noisy-digits")
    parser.add_argument("--requests", type=int, default=24)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--batches", type=int, default=24)
    options = parser.parse_args()
    os.environ.setdefault("TQDM_DISABLE", "1")
    process.prepare()
    challenge = kit.load_challenge(options.challenge)
    rows = np.random.default_rng(0).permutation(len(challenge.train))[: options.batches * options.batch]
    shards, slices = shape_of(challenge).values()
    print(
        f"{options.challenge}, {options.requests} requests of one record, and {options.batches} batches of "
        f"{options.batch}, by the queue's times: slice AUC ± standard error"
    )
    columns = (
        f"{'closed form':>12s}{'settled':>14s}{'signed':>14s}{'passes to the answer':>22s}{'CPU s a request':>17s}"
    )
    print(f"{'served':18s}{columns}")

    def show(how: Serving, result: Seen, late: np.ndarray) -> None:
        expected = 0.5 if how.constant or how.tick else slice_auc(shards, slices, how.batch)
        values = [f"{leak.value:.3f} ±{leak.stderr:.3f}" if leak else "-" for leak in result.leaks(late)]
        numbers = f"{result.settled.mean():22,.0f}{result.cpu_seconds:17.2f}"
        print(f"{how.name:18s}{expected:12.3f}{values[0]:>14s}{values[1]:>14s}{numbers}")

    with Scratch("kit-queue-") as folder:
        measured(challenge, rows[: options.requests], options.batch, folder.path, show, in_batches=rows)
    sizes = [2**power for power in range(8)]
    print(f"batches alone, by the closed form: slice AUC with {shards} shards of {slices} slices")
    print(f"{'records a batch':18s}" + "".join(f"{size:8d}" for size in sizes))
    print(f"{'slice AUC':18s}" + "".join(f"{slice_auc(shards, slices, size):8.3f}" for size in sizes))


if __name__ == "__main__":
    main()
