"""Does a method cost what it says? The passes over the data that its docstring states, against the time that it takes.

    python -m benchmarks.methods [METHOD ...] [--challenge noisy-digits] [--rounds 10] [--processors 1]

A pass is training on one example, forward and backward. What it costs, and what a call costs beside its passes, is
the straight line through plain fine-tuning of few and of many epochs, in the same rounds. Each method has
run before, so that nothing is compiled within its time. Of each time the smallest of all rounds counts: what else the
machine does only ever adds to it. Ends with 1 where a method takes more than 1.5 times its prediction.
"""

import argparse
import dataclasses
import os
import sys

import numpy as np

import kit  # first: it asks TensorFlow for one thread
from kit.runs.run import unlearn
from kit.runs.worker import Worker
from kit.submission.entry import resolve

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kit import methods
from kit.methods import _facts

MOST = 1.5
EPOCHS = (2, 30)


class Timed:
    """A method on a challenge, with models that stay from call to call."""

    def __init__(self, method: str, challenge: kit.Challenge, settings: dict[str, object] | None = None) -> None:
        overrides = dict(challenge.hyperparameters) | ({method: settings} if settings else {})
        self.method = method
        self.challenge = dataclasses.replace(challenge, hyperparameters=overrides) if settings else challenge
        self.worker = Worker.for_entry(resolve(method), self.challenge)
        defaults = _facts.hyperparameters(method)
        self.passes = _facts.passes(method, challenge, defaults | dict(overrides.get(method, {})))

    def seconds(self) -> float:
        return unlearn(self.method, self.challenge, seed=1, worker=self.worker).seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=[name for name in methods.names() if name != "original"])
    parser.add_argument("--challenge", default="noisy-digits")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--processors", type=int, default=1)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # Linux; elsewhere the printed number tells
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.processors])
    challenge = kit.load_challenge(options.challenge)
    plain = [Timed("finetune", challenge, {"epochs": epochs}) for epochs in EPOCHS]
    timed = {name: Timed(name, challenge) for name in options.methods}
    everything = [*plain, *timed.values()]
    rounds = [[method.seconds() for method in everything] for _ in range(options.rounds + 1)][1:]  # the first compiles
    few, many, *rest = np.min(rounds, axis=0)
    measured = dict(zip(timed, rest, strict=True))
    slope = (many - few) / (plain[1].passes - plain[0].passes)
    beside = few - slope * plain[0].passes
    predicted = {name: beside + slope * method.passes for name, method in timed.items()}
    ratios = {name: measured[name] / predicted[name] for name in timed}
    print(
        f"{options.challenge}, {options.processors} processor{'s' * (options.processors != 1)}: "
        f"{slope * 1e6:.1f} us a pass\n"
    )
    print(f"{'method':<28}{'passes':>10}{'predicted ms':>14}{'measured ms':>13}{'ratio':>7}")
    for name, method in timed.items():
        times = f"{predicted[name] * 1000:>14.0f}{measured[name] * 1000:>13.0f}"
        print(f"{name:<28}{method.passes:>10.0f}{times}{ratios[name]:>7.2f}")
    over = [name for name in timed if ratios[name] > MOST]
    print(f"\nOver {MOST} times the prediction: {', '.join(over) or 'none'}")
    sys.exit(1 if over else None)


if __name__ == "__main__":
    main()
