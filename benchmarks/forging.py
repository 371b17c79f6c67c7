"""How near must a step be to be believed? Forged steps of training, by the tolerance of who checks them.

    python -m benchmarks.forging [--records 12] [--tries 50] [--image docs/images/forging.png]

The model of noisy-digits is trained; after some epochs, a step on a batch with a record is passed off as a step without
it: on the nearest of many batches drawn without the record, or with only the record swapped for another. Shown is the
share of steps that pass within a tolerance, a share of the step's own length, and where bits are compared. Ends with 1
where a forged step has the bits of the true one.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TQDM_DISABLE", "1")

import keras
import numpy as np

import kit  # first: it asks TensorFlow for one thread
from kit.proofs.execution import Retraining
from kit.proofs.forging import Forger, Forgery, Step, success
from kit.runs import originals, process
from kit.toolbox.examples import Examples

EPOCHS = (0, 10, 25, 49)
TOLERANCES = (0.0, 0.01, 0.03, 0.1, 0.3, 0.6, 1.0, 1.5)
FORMS = {"drawn": "nearest of batches drawn without it", "swapped": "the record swapped for another"}


def forged(records: int, tries: int) -> dict[tuple[str, int], list[Forgery]]:
    """Returns the nearest forgeries by form and epoch."""
    challenge = kit.load_challenge()
    retraining = Retraining(challenge, challenge.train, seed=0, every=1)
    states = retraining.train().states
    x, y = (keras.ops.convert_to_tensor(array) for array in (challenge.train.x, challenge.train.y))
    forger = Forger(originals.build(challenge), Examples(x, y, challenge.batch_size), challenge.recipe.learning_rate)
    generator, by_epoch = np.random.default_rng(0), {}
    for epoch in EPOCHS:
        weights = retraining.weights(states[epoch].tobytes())
        orders = [generator.permutation(len(challenge.train))[: challenge.batch_size] for _ in range(records)]
        steps = [Step(weights, order, int(order[0])) for order in orders]
        for form in FORMS:
            by_epoch[form, epoch] = [forger.nearest(step, tries, form) for step in steps]
    return by_epoch


def show(by_epoch: dict[tuple[str, int], list[Forgery]], tries: int) -> None:
    head = "".join(f"{'bits' if tolerance == 0 else tolerance:>7}" for tolerance in TOLERANCES)
    print(f"share of {len(by_epoch['drawn', 0])} steps of noisy-digits that pass, best of {tries}, by tolerance")
    print(f"{'':44s}{'epoch':>6s}{head}")
    for (form, epoch), forgeries in sorted(by_epoch.items()):
        shares = "".join(f"{success(forgeries, tolerance):7.2f}" for tolerance in TOLERANCES)
        print(f"{FORMS[form]:44s}{epoch:6d}{shares}")


def draw(by_epoch: dict[tuple[str, int], list[Forgery]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    tolerances = np.geomspace(1e-4, 3, 200)
    for form, style in zip(FORMS, ("--", "-"), strict=True):
        for number, epoch in enumerate(EPOCHS):
            curve = [success(by_epoch[form, epoch], tolerance) for tolerance in tolerances]
            colour = plt.get_cmap("viridis")(number / len(EPOCHS))
            axes.plot(tolerances, curve, style, color=colour, label=f"{FORMS[form]}, epoch {epoch}")
    equal = np.mean([forgery.equal for forgeries in by_epoch.values() for forgery in forgeries])
    axes.plot([1e-4], [equal], "k^", clip_on=False, label="where bits are compared")
    axes.set(xscale="log", xlabel="tolerance, as a share of the step's length", ylabel="forged steps that pass")
    axes.set(ylim=(-0.03, 1.03), xlim=(1e-4, 3))
    axes.legend(fontsize="x-small", frameon=False)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=12)
    parser.add_argument("--tries", type=int, default=50)
    parser.add_argument("--image", type=Path)
    options = parser.parse_args()
    process.prepare()
    by_epoch = forged(options.records, options.tries)
    show(by_epoch, options.tries)
    if options.image is not None:
        draw(by_epoch, options.image)
    equal = sum(forgery.equal for forgeries in by_epoch.values() for forgery in forgeries)
    print(f"equal bits: {equal} of {sum(map(len, by_epoch.values()))}")
    sys.exit(1 if equal else 0)


if __name__ == "__main__":
    main()
