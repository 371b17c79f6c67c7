"""Requests that look at the model, against SISA: are the shards that were aimed at the less accurate ones afterwards?

    python -m benchmarks.adaptive_requests [--challenge noisy-digits] [--trials 50] [--shards 2] [--epochs 30]
        [--records N] [--model NAME]

In each trial SISA is trained, half of its shards are targeted, and a third of the training set is deleted, exactly: by
requests that follow from the members' answers (Gupta et al., NeurIPS 2021), from answers with noise, from placement
that is public, from placement by another key; or at random, or by answers and then retrained from scratch with a new
division. The share of trials in which targeted shards end up less accurate is 1/2 wherever deletion is as good as a
fresh training. Intervals: Clopper and Pearson, 95 %. With `--records`, training and test are a random part of the
challenge's, and with `--model` another network of the kit learns them: what a small machine can train many times.
"""

import argparse
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TQDM_DISABLE", "1")

import keras
import numpy as np
from scipy.stats import beta

import kit  # first: it asks TensorFlow for one thread
from kit.leaks.adaptive import indicator, requests_against
from kit.methods import sisa
from kit.runs import pretraining, process
from kit.storage.scratch import Scratch
from kit.toolbox import ensembles, seeding
from kit.toolbox.examples import batches
from kit.toolbox.inference import predict_logits
from kit.types import Arrays, Challenge, Split

NOISES = (2.0, 8.0)
# 95 % intervals of the paper, six shards; with noise at the largest epsilon and at the smallest that it shows.
PUBLISHED = {
    "CIFAR-10": (0.890, 0.952),
    "Fashion-MNIST": (0.819, 0.899),
    "MNIST": (0.849, 0.922),
    "with noise": (0.49, 0.60),
}


class Attack:
    """Trials on one challenge; what is compiled serves all of them."""

    def __init__(self, challenge: Challenge, shards: int) -> None:
        self.challenge, self.shards = challenge, shards
        self.base, self.net = pretraining.new_base(challenge), None
        self.outside = _joined(challenge.validation, challenge.test)

    def train(self, challenge: Challenge, seed: int, folder: Path) -> keras.Model:
        folder.mkdir()
        net = sisa.pretraining(challenge, seed, folder, self.base, shards=self.shards, slices=1)
        if self.net is None:
            self.net = net
        self.net.set_weights(net.get_weights())
        return self.net

    def logits(self, net: keras.Model, x: np.ndarray) -> Iterator[np.ndarray]:
        for weights in [member.get_weights() for member in ensembles.members(net)]:
            self.base.set_weights(weights)
            yield predict_logits(self.base, x)

    def accuracies(self, net: keras.Model) -> np.ndarray:
        right = [(logits.argmax(axis=-1) == self.outside.y).mean() for logits in self.logits(net, self.outside.x)]
        return np.array(right)

    def delete(self, weights: list[np.ndarray], rows: np.ndarray, seed: int, state: Path, folder: Path) -> keras.Model:
        shutil.copytree(state, folder)
        self.net.set_weights(weights)
        train, size = self.challenge.train, self.challenge.batch_size
        kept = np.setdiff1d(np.arange(len(train)), rows)
        seeding.set_random_seed(seed, keep_compiled=True)
        return sisa.unlearning(self.net, batches(train, kept, size), batches(train, rows, size), None, folder=folder)

    def trial(self, seed: int, root: Path) -> dict[str, float]:
        """Returns the indicator of each kind of requests."""
        train, generator = self.challenge.train, np.random.default_rng(seed)
        weights = self.train(self.challenge, seed, root / "original").get_weights()
        confidences = np.array(
            [self.challenge.task.statistic(logits, train.y) for logits in self.logits(self.net, train.x)]
        )
        targets = generator.permutation(self.shards) < self.shards // 2
        number = len(train) // 3
        requests = {"at random": generator.permutation(len(train))[:number]}
        requests["by answers"] = requests_against(confidences, targets, number)
        for noise in NOISES:
            noisy = confidences + noise * generator.normal(size=confidences.shape)
            requests[f"by answers, noise {noise:g}"] = requests_against(noisy, targets, number)
        for name, key in (("by public placement", None), ("by placement, other key", b"another")):
            shards, _ = sisa.places(root / "original", train.x, train.y, key)
            placed = (shards == np.arange(self.shards)[:, None]) + 0.1 * generator.random(confidences.shape)
            requests[name] = requests_against(placed, targets, number)
        values = {}
        for count, (name, rows) in enumerate(requests.items()):
            net = self.delete(weights, rows, seed + 1_000_000, root / "original", root / f"{count}")
            values[name] = indicator(self.accuracies(net), targets)
        kept = np.setdiff1d(np.arange(len(train)), requests["by answers"])
        unused = Split("unused", 0, np.arange(1), np.arange(1, len(kept)))
        alone = replace(self.challenge, train=train.take(kept), split=unused)
        fresh = self.train(alone, seed + 2_000_000, root / "fresh")
        values["by answers, all trained anew"] = indicator(self.accuracies(fresh), targets)
        return values


def problem(challenge: Challenge, epochs: int, records: int | None, model: str | None) -> Challenge:
    """Returns a challenge to train many times: so many of its records, learnt for so many epochs by a model."""
    recipe = replace(challenge.recipe, epochs=epochs)
    if records is None:
        return replace(challenge, recipe=recipe, model=model or challenge.model)
    generator = np.random.default_rng(0)
    train, outside = (
        part.take(generator.permutation(len(part))[: size * records])
        for part, size in ((challenge.train, 1), (_joined(challenge.validation, challenge.test), 2))
    )
    parts = {"train": train, "validation": outside.take(np.arange(1)), "test": outside.take(np.arange(1, len(outside)))}
    split = Split("unused", 0, np.arange(1), np.arange(1, len(train)))
    return replace(challenge, recipe=recipe, model=model or challenge.model, split=split, **parts)


def _joined(first: Arrays, second: Arrays) -> Arrays:
    return Arrays(np.concatenate([first.x, second.x]), np.concatenate([first.y, second.y]))


def interval(values: list[float]) -> tuple[float, float]:
    """Returns Clopper and Pearson's; a tie is half a success."""
    successes, number = sum(values), len(values)
    low = 0.0 if successes == 0 else beta.ppf(0.025, successes, number - successes + 1)
    high = 1.0 if successes == number else beta.ppf(0.975, successes + 1, number - successes)
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--challenge", default="noisy-digits")
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--records", type=int, help="of the training set, drawn at random")
    parser.add_argument("--model", help="of the kit's networks, in place of the challenge's")
    options = parser.parse_args()
    process.prepare()
    challenge = kit.load_challenge(options.challenge)
    attack = Attack(problem(challenge, options.epochs, options.records, options.model), options.shards)
    trials = []
    for seed in range(options.trials):
        with Scratch("kit-adaptive-") as folder:
            trials.append(attack.trial(seed, folder.path))
    size = "" if options.records is None else f" ({options.records:,} records, {attack.challenge.model})"
    print(f"{options.challenge}{size}, {options.shards} shards, {options.trials} trials: targeted shards less accurate")
    for name in trials[0]:
        values = [trial[name] for trial in trials]
        low, high = interval(values)
        print(f"{name:30s} {np.mean(values):.3f}  [{low:.3f}, {high:.3f}]")
    print("published, six shards")
    for name, (low, high) in PUBLISHED.items():
        print(f"{name:30s}        [{low:.3f}, {high:.3f}]")


if __name__ == "__main__":
    main()
