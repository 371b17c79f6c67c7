"""Does a challenge show what it is for? Originals remember, retrained models do not.

    python -m benchmarks.memorisation [--challenge noisy-digits] [--splits 20]

Each split has a forget set, an original and a retrained model of its own, trained with seeds of their own. The attack
is what `kit run` uses: AUC of the loss, forget examples against test examples of the same class mix.
"""

import argparse
import os
import time

import numpy as np

import kit  # first: it asks TensorFlow for one thread
from kit.toolbox import examples

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from kit import evaluation
from kit.machine import environment
from kit.runs import originals
from kit.runs.outputs import compute_outputs
from kit.scorers.membership_inference import membership_auc
from kit.toolbox import setup, training
from kit.types import PARTS


def measure(challenge: kit.Challenge, net: keras.Model, indices: np.ndarray, seed: int) -> dict[str, float]:
    """Trains `net` from scratch on the training examples at `indices` and attacks it."""
    keras.utils.set_random_seed(seed)
    net.set_weights(keras.models.clone_model(net).get_weights())
    data = examples.batches(challenge.train, indices, challenge.batch_size)
    start = time.perf_counter()
    training.fit(net, data, challenge.recipe)
    seconds = time.perf_counter() - start
    labels = {part: challenge.labels(part) for part in PARTS}
    outputs = kit.Outputs.of_models("model", [compute_outputs(net, challenge)], labels, seconds=[seconds], seeds=[seed])
    members, nonmembers, _ = evaluation.attack_sample(challenge)
    auc = membership_auc(outputs.losses("forget")[0, members], outputs.losses("test")[0, nonmembers])
    accuracies = {part: float(outputs.correct[part].mean()) for part in ("retain", "forget", "test")}
    return accuracies | {"auc": auc, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--challenge", default="noisy-digits")
    arguments = parser.parse_args()
    name, num_splits = arguments.challenge, arguments.splits
    setup.prepare()
    first = kit.load_challenge(name)
    net = originals.build(first)
    measure(first, net, first.split.retain, seed=0)  # traces, so that the times below are those of the steady state
    trained, retrained = [], []
    for number in range(num_splits):
        challenge = kit.load_challenge(name, split_seed=number)
        trained.append(measure(challenge, net, np.arange(len(challenge.train)), seed=1_000 + number))
        retrained.append(measure(challenge, net, challenge.split.retain, seed=2_000 + number))
    rows = [
        ("original: retain accuracy", [row["retain"] for row in trained], ">= 0.995"),
        ("original: MIA AUC", [row["auc"] for row in trained], ">= 0.65"),
        ("retrained: MIA AUC - 0.5", [row["auc"] - 0.5 for row in retrained], "within 0.03 of 0"),
        ("retrained: forget - test accuracy", [row["forget"] - row["test"] for row in retrained], "within 0.03 of 0"),
        ("retrained: seconds, one thread", [row["seconds"] for row in retrained], "median <= 0.9"),
    ]
    print(f"{name}, {num_splits} splits, training seeds varied with them; versions {environment.versions()}")
    print(f"{'':36s}{'mean':>9s}{'stderr':>9s}{'median':>9s}{'min':>9s}{'max':>9s}   wanted")
    for measured, values, wanted in rows:
        array = np.array(values)
        stderr = array.std(ddof=1) / np.sqrt(len(array))
        numbers = (array.mean(), stderr, np.median(array), array.min(), array.max())
        print(f"{measured:36s}" + "".join(f"{number:9.4f}" for number in numbers) + f"   {wanted}")


if __name__ == "__main__":
    main()
