"""Does a method cost what it says? The passes over the data that its docstring states, against the time that it takes.

    python benchmarks/methods.py [METHOD ...] [--challenge noisy-digits] [--rounds 5] [--processors 1]

A pass is training on one example, forward and backward. What it costs, and what a call costs beside its passes, is
the straight line through plain fine-tuning of few and of many epochs, in the same round. Fine-tuning reads one data
set, the retain set; a method that reads others is granted the time that reading them takes. Each method has run
before, so that nothing is compiled within its time. Medians over the rounds; ends with 1 where a method takes more
than 1.5 times its prediction.
"""

import argparse
import dataclasses
import os
import re
import sys
import time

if not __package__:  # run by its path: this folder's signal.py must not hide Python's, and kit may not be installed
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

import numpy as np

import kit  # first: it asks TensorFlow for one thread

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kit import datasets, examples, explain_commands, method_facts, methods, own_trainings, runner

MOST = 1.5
EPOCHS = (2, 30)


def seconds_of_reading(challenge: kit.Challenge) -> dict[str, float]:
    """Returns what it takes to get each of the sets that a method is handed into memory."""
    everything = np.arange(len(challenge.validation))
    found = {}
    for name, arrays, indices in (
        ("retain", challenge.train, challenge.split.retain),
        ("forget", challenge.train, challenge.split.forget),
        ("validation", challenge.validation, everything),
    ):
        data = datasets.batches(arrays, indices, challenge.batch_size)
        start = time.perf_counter()
        examples.in_memory(data)
        found[name] = time.perf_counter() - start
    return found


class Timed:
    """A method on a challenge, with models that stay from call to call."""

    def __init__(self, method: str, challenge: kit.Challenge, settings: dict[str, object] | None = None) -> None:
        overrides = dict(challenge.hyperparameters) | ({method: settings} if settings else {})
        self.method = method
        self.challenge = own_trainings.of_method(
            dataclasses.replace(challenge, hyperparameters=overrides) if settings else challenge, method
        )
        self.worker = runner.Worker(self.challenge)
        defaults = explain_commands.hyperparameters(method)
        self.passes = method_facts.passes(method, challenge, defaults | dict(overrides.get(method, {})))
        touched = method_facts.of_method(method).data
        self.sets = [name for name in ("retain", "forget", "validation") if re.search(rf"\b{name}\b", touched)]

    def seconds(self) -> float:
        return runner.unlearn(self.method, self.challenge, seed=1, worker=self.worker).seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=[name for name in methods.names() if name != "original"])
    parser.add_argument("--challenge", default="noisy-digits")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processors", type=int, default=1)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # Linux; elsewhere the printed number tells
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.processors])
    challenge = kit.load_challenge(options.challenge)
    plain = [Timed("finetune", challenge, {"epochs": epochs}) for epochs in EPOCHS]
    timed = {name: Timed(name, challenge) for name in options.methods}
    for one in (*plain, *timed.values()):
        one.seconds()
        one.seconds()
    fixed, slopes = [], []
    predicted: dict[str, list[float]] = {name: [] for name in timed}
    measured: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(options.rounds):
        few, many = (one.seconds() for one in plain)
        reading = seconds_of_reading(challenge)
        slopes.append((many - few) / (plain[1].passes - plain[0].passes))
        fixed.append(few - slopes[-1] * plain[0].passes - reading["retain"])
        for name, one in timed.items():
            predicted[name].append(fixed[-1] + sum(reading[part] for part in one.sets) + slopes[-1] * one.passes)
            measured[name].append(one.seconds())
    print(
        f"{options.challenge}, {options.processors} processor{'s' * (options.processors != 1)}: "
        f"{np.median(slopes) * 1e6:.1f} us a pass\n"
    )
    print(f"{'method':<28}{'passes':>10}{'predicted ms':>14}{'measured ms':>13}{'ratio':>7}")
    ratios = {name: np.median(np.divide(measured[name], predicted[name])) for name in timed}
    for name, one in timed.items():
        times = "".join(
            f"{np.median(column) * 1000:>{width}.0f}" for column, width in ((predicted[name], 14), (measured[name], 13))
        )
        print(f"{name:<28}{one.passes:>10.0f}{times}{ratios[name]:>7.2f}")
    over = [name for name in timed if ratios[name] > MOST]
    print(f"\nOver {MOST} times the prediction: {', '.join(over) or 'none'}")
    sys.exit(1 if over else None)


if __name__ == "__main__":
    main()
