"""What certifying costs: CPU seconds of a training that is certified, and of checking it, over those of the training.

    python -m benchmarks.certifying [--rounds 9] [--challenge noisy-digits] [--method retrain] [--every EPOCHS]

The same training alone, certified (commitment, nonce, states, signatures, files), and checked at each level, in turns
in one process in which all is compiled. Shown are medians of CPU seconds. Ends with 1 where certifying costs over 5 %.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TQDM_DISABLE", "1")

import numpy as np

import kit  # first: it asks TensorFlow for one thread
from kit.proofs import classes, signatures, trainings
from kit.proofs.certify import Order, begin, delete
from kit.proofs.verify import Draw, Verification
from kit.runs import originals, pretraining, process
from kit.toolbox import blocks, examples, seeding, training
from kit.toolbox.losses import TaskLoss

MOST = 0.05


def alone(challenge: kit.Challenge, method: str, folder: Path) -> None:
    """Trains as the certified training does, and keeps nothing."""
    if method == classes.SISA:
        from kit.methods import sisa

        sisa.pretraining(challenge, 0, folder, pretraining.new_base(challenge), **trainings.shape_of(challenge))
        return
    seeding.set_random_seed(0, keep_compiled=True)
    net = originals.build(challenge)
    net.set_weights(blocks.redrawn(net))
    data = examples.batches(challenge.train, np.arange(len(challenge.train)), challenge.batch_size)
    training.fit(net, data, challenge.recipe, loss=TaskLoss(challenge.task))


def seconds(call: Callable[[], Any]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--challenge", default="noisy-digits")
    parser.add_argument("--method", default="retrain")
    parser.add_argument("--every", type=int)
    options = parser.parse_args()
    process.prepare()
    challenge, signer = kit.load_challenge(options.challenge), signatures.signer()
    order = Order(options.method, every=options.every)
    single = kit.types.Split("rows", 0, np.arange(1), np.arange(1, len(challenge.train)))
    times: dict[str, list[float]] = {}
    for _ in range(options.rounds + 1):  # the first one compiles
        with tempfile.TemporaryDirectory() as name:
            folder, own = Path(name) / "trail", Path(name) / "own"
            own.mkdir()
            round_ = {"the training alone": seconds(lambda own=own: alone(challenge, options.method, own))}
            round_["certified"] = seconds(lambda folder=folder: begin(folder, challenge, signer, order))
            gone = replace(challenge, split=single)
            round_["a deletion, certified"] = seconds(
                lambda folder=folder, gone=gone: delete(folder, gone, signer, order)
            )
            for level in (0, 1, 2):
                check = Verification(folder / "certificate.json", signer.verifier)
                round_[f"checked at level {level}"] = seconds(
                    lambda check=check, level=level: check.run(level, challenge, Draw())
                )
                if check.checks[-1].status != "PASS":
                    sys.exit(check.checks[-1].message)
        for title, value in round_.items():
            times.setdefault(title, []).append(value)
    medians = {title: statistics.median(values[1:]) for title, values in times.items()}
    unit = medians["the training alone"]
    print(f"{options.method} on {challenge.name}, {len(challenge.train):,} records, {options.rounds} rounds")
    print(f"{'':28s}{'CPU s':>9s}{'ratio':>9s}")
    for title, value in medians.items():
        print(f"{title:28s}{value:9.3f}{value / unit:9.3f}")
    cost = medians["certified"] / unit - 1
    print(f"certifying costs {100 * cost:.1f} % of the training")
    sys.exit(0 if cost <= MOST else 1)


if __name__ == "__main__":
    main()
