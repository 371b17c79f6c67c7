"""Is the kit quicker than the 2023 kit on a CPU? The same work in plain PyTorch and in the kit, in one run.

    python -m benchmarks.against_pytorch [--threads 1] [--rounds 5] [--images 2560]      (needs the extra [torch])

Two processes, one a side, work in turn, never at once: a fine-tuning epoch of the ResNet-18 (SGD, momentum 0.9, weight
decay 5e-4, batches of 128), the per-example losses of a set, the membership attack on 5,000 and 5,000 losses, and the
whole baseline: an epoch, the losses of forget and test set, the attack. PyTorch is given its best form: images
normalised beforehand and in memory, channels last if that is quicker, no gradients where none are needed (the 2023 kit
decodes and normalises image by image, and keeps gradients). The images are noise, which costs the same as others.

The last lines say how far both are from this machine's own limit: the rate of large matrix products.
"""

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection

import numpy as np

# Seconds between two turns: threads that have just computed wait actively for more, at the other side's cost.
_PAUSE = 0.5
LINES = ("training epoch", "per-example losses", "membership attack", "whole baseline")
# Multiply-adds of one image's forward pass, by layer: pixels of the output x taps x channels x filters. A training step
# takes three times as many, and each counts as two operations.
_STAGES = ((64, 64, 8), (64, 128, 4), (128, 256, 2), (256, 512, 1))


def forward_multiply_adds() -> int:
    total = 16 * 16 * 49 * 3 * 64 + 512 * 10
    for channels, filters, size in _STAGES:
        pixels = size * size
        total += pixels * 9 * (channels * filters + 3 * filters * filters)
        total += pixels * channels * filters if channels != filters else 0
    return total


def random_images(count: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), np.arange(count, dtype=np.int32) % 10


def attack_losses() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    return generator.exponential(0.5, 5000), generator.exponential(0.6, 5000)


class PyTorch:
    """What a user of the 2023 kit would write."""

    def __init__(self, images: int, threads: int) -> None:
        import torch

        from tests.torch_models import normalised, resnet18

        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.torch, self.net = torch, resnet18()
        x, y = random_images(images)
        self.x = normalised(x.astype(np.float32) / 255, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
        self.y = torch.from_numpy(y.astype(np.int64))
        self.start = {name: value.clone() for name, value in self.net.state_dict().items()}
        self._choose_layout()

    def _choose_layout(self) -> None:
        """Takes the memory layout in which an epoch is quicker here."""
        seconds = {}
        for layout in (self.torch.channels_last, self.torch.contiguous_format):
            self.net = self.net.to(memory_format=layout)
            self.x = self.x.contiguous(memory_format=layout)
            self.train()
            begin = time.perf_counter()
            self.train()
            seconds[layout] = time.perf_counter() - begin
        best = min(seconds, key=lambda layout: seconds[layout])
        self.net, self.x = self.net.to(memory_format=best), self.x.contiguous(memory_format=best)

    def train(self) -> None:
        torch = self.torch
        self.net.load_state_dict(self.start)
        self.net.train()
        optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
        criterion = torch.nn.CrossEntropyLoss()
        for chosen in torch.randperm(len(self.y)).split(128):
            optimizer.zero_grad()
            criterion(self.net(self.x[chosen]), self.y[chosen]).backward()
            optimizer.step()

    def losses(self) -> np.ndarray:
        self.net.eval()
        criterion = self.torch.nn.CrossEntropyLoss(reduction="none")
        losses = []
        with self.torch.no_grad():
            for start in range(0, len(self.y), 128):
                batch = slice(start, start + 128)
                losses.append(criterion(self.net(self.x[batch]), self.y[batch]).numpy())
        return np.concatenate(losses)

    def attack(self) -> float:
        from sklearn import linear_model, model_selection

        members, nonmembers = attack_losses()
        sample = np.concatenate([nonmembers, members]).reshape(-1, 1)
        splits = model_selection.StratifiedShuffleSplit(n_splits=10, random_state=0)
        labels = np.repeat([0, 1], 5000)
        model = linear_model.LogisticRegression()
        return float(model_selection.cross_val_score(model, sample, labels, cv=splits, scoring="accuracy").mean())

    def matrix_rate(self) -> float:
        a = self.torch.rand(2048, 2048)
        return _best_rate(lambda: a @ a)


class Kit:
    """The same with the kit."""

    def __init__(self, images: int, threads: int) -> None:
        os.environ |= {"KIT_THREADS": str(threads), "TF_CPP_MIN_LOG_LEVEL": "3"}
        from kit import models
        from kit.toolbox import inference, setup, training
        from kit.toolbox.examples import batches
        from kit.types import Arrays, Recipe

        setup.prepare()
        self.arrays = Arrays(*random_images(images))
        self.net = models.build("resnet18", (32, 32, 3), 10)
        self.start = self.net.get_weights()
        dataset = batches(self.arrays, np.arange(images), 128, shuffle_seed=0)
        recipe = Recipe(epochs=1, learning_rate=0.1, momentum=0.9, weight_decay=5e-4)
        self.fit = lambda: training.fit(self.net, dataset, recipe, seed=0)
        self.predict = lambda: inference.predict_logits(self.net, self.arrays.x)

    def train(self) -> None:
        self.net.set_weights(self.start)
        self.fit()

    def losses(self) -> np.ndarray:
        from scipy.special import logsumexp

        logits = self.predict()
        of_labels: np.ndarray = logsumexp(logits, axis=1) - logits[np.arange(len(logits)), self.arrays.y]
        return of_labels

    def attack(self) -> float:
        from kit.scorers.membership_inference import mia_accuracies

        members, nonmembers = attack_losses()
        return float(mia_accuracies(members[np.newaxis], nonmembers[np.newaxis])[0])

    def matrix_rate(self) -> float:
        import tensorflow as tf

        a = tf.constant(np.random.default_rng(0).random((2048, 2048), dtype=np.float32))
        return _best_rate(lambda: tf.matmul(a, a).numpy())


def _best_rate(product: object) -> float:
    """Operations a second of a product of 2048 x 2048 matrices, in units of 1e9."""
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        product()  # type: ignore[operator]
        seconds.append(time.perf_counter() - begin)
    return 2 * 2048**3 / min(seconds) / 1e9


def serve(side: str, images: int, threads: int, connection: Connection) -> None:
    """Does what it is told, and answers with seconds (or what was computed)."""
    os.environ["OMP_NUM_THREADS"] = str(threads)  # scikit-learn's, which by default are as many as there are cores
    worker = {"PyTorch": PyTorch, "kit": Kit}[side](images, threads)
    work = {
        "training epoch": worker.train,
        "per-example losses": worker.losses,
        "membership attack": worker.attack,
        "whole baseline": lambda: (worker.train(), worker.losses(), worker.attack()),
    }
    for line in LINES:
        work[line]()  # what is compiled or loaded once is not measured
    connection.send("ready")
    while (asked := connection.recv()) is not None:
        if asked == "rate":
            connection.send(worker.matrix_rate())
        elif asked == "accuracy":
            connection.send(worker.attack())
        else:
            begin = time.perf_counter()
            work[asked]()
            connection.send(time.perf_counter() - begin)


class Side:
    """A process for one of both libraries, which does what it is asked."""

    def __init__(self, name: str, images: int, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other_end = context.Pipe()
        self._process = context.Process(target=serve, args=(name, images, threads, other_end), daemon=True)
        self._process.start()
        other_end.close()  # a process that fails ends the benchmark
        self._connection.recv()  # one after the other: nothing disturbs the choice of PyTorch's layout

    def ask(self, question: str) -> float:
        """Returns the seconds of a line, `rate` or `accuracy`."""
        time.sleep(_PAUSE)
        self._connection.send(question)
        return float(self._connection.recv())

    def end(self) -> None:
        self._connection.send(None)
        self._process.join()


def print_seconds(seconds: Mapping[tuple[str, str], list[float]]) -> None:
    print(f"{'seconds':<22}{'PyTorch':>9}{'kit':>9}{'ratio':>9}   of the rounds")
    for line in LINES:
        theirs, ours = seconds["PyTorch", line], seconds["kit", line]
        ratios = sorted(kit / pytorch for kit, pytorch in zip(ours, theirs, strict=True))
        medians = statistics.median(theirs), statistics.median(ours), statistics.median(ratios)
        print(f"{line:<22}{medians[0]:>9.3f}{medians[1]:>9.3f}{medians[2]:>9.2f}   {ratios[0]:.2f} to {ratios[-1]:.2f}")


def print_operations(
    sides: Mapping[str, Side], seconds: Mapping[tuple[str, str], list[float]], operations: float
) -> None:
    """Prints operations a second; `operations` are 1e9 of those of a forward pass over all images."""
    print(f"\n{'1e9 operations a second':<34}{'PyTorch':>9}{'kit':>9}")
    print(f"{'matrix product, 2048 x 2048':<34}" + "".join(f"{side.ask('rate'):>9.0f}" for side in sides.values()))
    for line, passes in (("training epoch", 3), ("per-example losses", 1)):
        rates = [passes * operations / statistics.median(seconds[name, line]) for name in sides]
        print(f"{line + ', counted plainly':<34}" + "".join(f"{rate:>9.0f}" for rate in rates))
    print("counted plainly: every tap of every kernel, also those that only meet padding, which the kit leaves out")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="of an operation, on both sides")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=2560, help="a slice of CIFAR-10's 45,000")
    options = parser.parse_args()
    sides = {name: Side(name, options.images, options.threads) for name in ("PyTorch", "kit")}
    seconds: dict[tuple[str, str], list[float]] = {(name, line): [] for name in sides for line in LINES}
    for _ in range(options.rounds):
        for line in LINES:
            for name, side in sides.items():
                seconds[name, line].append(side.ask(line))
    print(
        f"ResNet-18 on {options.images} images of 32x32, {options.threads} thread(s) a side, "
        f"medians of {options.rounds} rounds in turn\n"
    )
    print_seconds(seconds)
    accuracies = ", ".join(f"{name} {side.ask('accuracy'):.4f}" for name, side in sides.items())
    print(f"\nattack's accuracy: {accuracies}")
    print_operations(sides, seconds, 2 * forward_multiply_adds() * options.images / 1e9)
    for side in sides.values():
        side.end()


if __name__ == "__main__":
    main()
