"""Does a lower precision pay on this processor, and do the scores stay what they are?

    python -m benchmarks.precision [--steps 8] [--models 16]

First the seconds of a training step (batches of 128, one thread) of the networks in float32, bfloat16 and float16, in
turn; then `noisy-digits` retrained in float32 and in bfloat16: accuracies and the attack's AUC, with their standard
errors over models.
"""

import argparse
import dataclasses
import os
import statistics
import time

import numpy as np

import kit  # first: it asks TensorFlow for one thread
from kit.toolbox import examples

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kit import evaluation, models
from kit.scorers.membership_inference import membership_auc
from kit.toolbox import setup, training

NETWORKS = {"resnet18": (32, 32, 3), "resnet20": (32, 32, 3), "convnet": (28, 28, 1)}
PRECISIONS = ("float32", "bfloat16", "float16")


def seconds_a_step(steps: int) -> None:
    print(f"{'milliseconds a step':<22}" + "".join(f"{name:>10}" for name in PRECISIONS) + f"{'ratio':>16}")
    for name, shape in NETWORKS.items():
        count = 128 * steps
        x = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
        dataset = examples.batches(kit.Arrays(x, np.arange(count) % 10), np.arange(count), 128)
        nets = {precision: models.build(name, shape, 10, precision) for precision in PRECISIONS}
        taken: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
        for number in range(4):
            for precision, net in nets.items():
                start = time.perf_counter()
                training.fit(net, dataset, kit.Recipe(epochs=1, learning_rate=0.01), seed=0)
                if number:  # the first is traced
                    taken[precision].append((time.perf_counter() - start) / steps * 1000)
        medians = [statistics.median(taken[precision]) for precision in PRECISIONS]
        ratios = "  ".join(f"{median / medians[0]:.2f}" for median in medians[1:])
        print(f"{name:<22}" + "".join(f"{median:>10.1f}" for median in medians) + f"{ratios:>16}")


def scores(num_models: int) -> None:
    challenge = kit.load_challenge("noisy-digits")
    members, nonmembers, _ = evaluation.attack_sample(challenge)
    values_of = {}
    for precision in ("float32", "bfloat16"):
        changed = dataclasses.replace(challenge, precision=precision)
        outputs = kit.run_population("retrain", changed, num_models=num_models)
        losses = zip(outputs.losses("forget")[:, members], outputs.losses("test")[:, nonmembers], strict=True)
        values = {f"{part} accuracy": outputs.correct[part].mean(axis=1) for part in ("retain", "forget", "test")}
        values_of[precision] = values | {"attack's AUC": np.array([membership_auc(*pair) for pair in losses])}
    print(f"\n{f'noisy-digits, {num_models} retrained':<26}{'float32':>18}{'bfloat16':>18}{'difference':>20}")
    for name in values_of["float32"]:
        sides = [values_of[precision][name] for precision in ("float32", "bfloat16")]
        means, stderrs = [side.mean() for side in sides], [side.std(ddof=1) / len(side) ** 0.5 for side in sides]
        shown = "".join(f"{f'{mean:.4f} ±{stderr:.4f}':>18}" for mean, stderr in zip(means, stderrs, strict=True))
        difference = f"{means[1] - means[0]:+.4f} ±{np.hypot(*stderrs):.4f}"
        print(f"{name:<26}{shown}{difference:>20}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--models", type=int, default=16)
    options = parser.parse_args()
    setup.prepare()
    seconds_a_step(options.steps)
    scores(options.models)


if __name__ == "__main__":
    main()
