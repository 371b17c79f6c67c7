"""What deleted digits look like to who has a linear model before and after, as a picture and in numbers.

python -m benchmarks.reconstruction [--image docs/images/reconstruction.png]
"""

import argparse
from pathlib import Path

import numpy as np

import kit
from kit.leaks.reconstruction import Reconstructions, reconstruct

REQUESTS, SHOWN = 100, 10


def draw(rows: dict[str, np.ndarray], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(len(rows), SHOWN, figsize=(7, 2.4), layout="constrained")
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for place, image in zip(line, images, strict=False):
            place.imshow(image.reshape(8, 8), cmap="gray_r")
            place.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize="small")
    figure.savefig(path, dpi=120, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=Path)
    options = parser.parse_args()
    challenge = kit.load_challenge("digits")
    x, public = (part.x.reshape(len(part), -1).astype(np.float64) for part in (challenge.train, challenge.validation))
    deleted = np.random.default_rng(0).permutation(len(x))[:REQUESTS]
    result: Reconstructions = reconstruct(x, challenge.train.y, public, deleted, challenge.num_classes)
    print(f"cosine to the deleted digit, {REQUESTS} deletions, {len(public)} public digits")
    for name, estimate in result.means().items():
        print(f"{name:8s} {estimate.value:.3f} ±{estimate.stderr:.3f}")
    if options.image is not None:
        draw({"deleted": x[deleted], "read off": result.images, "nearest": result.neighbours}, options.image)


if __name__ == "__main__":
    main()
