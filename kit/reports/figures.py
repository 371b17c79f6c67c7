"""Pictures of outputs. Each function takes an `ax` and returns it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kit import files
from kit.rules import RETRAIN
from kit.scorers import forgetting
from kit.scorers._resampling import MIN_MODELS
from kit.scorers.forgetting import guarded
from kit.types import NUM_WITH_LOGITS, Outputs

_LONGEST_LABEL = 30
NAMES = ("losses", "epsilons", "scores_by_models", "roc")


def loss_histogram(outputs: Outputs, ax: Axes, *, bins: np.ndarray | None = None) -> Axes:
    """Draws the losses (nats) of forget and test examples of the first model, as the 2023 kit does.

    Args:
        outputs: of one method.
        ax: where to draw.
        bins: edges in nats, shared between pictures that are to be compared; by default 30 up to the largest loss.
    """
    losses = {part: outputs.losses(part)[0] for part in ("test", "forget")}
    if bins is None:
        bins = np.linspace(0, max(values.max() for values in losses.values()), 31)
    for (part, values), color in zip(losses.items(), ("tab:blue", "tab:orange"), strict=True):
        weights = np.full(len(values), 1 / len(values))
        ax.hist(values, bins=bins.tolist(), weights=weights, alpha=0.5, color=color, label=f"{part} ({len(values)})")
    ax.set(title=_shown(outputs.method), xlabel="cross-entropy (nats)", ylabel="share of examples", yscale="log")
    ax.legend(frameon=False, loc="upper right")
    return ax


def loss_histograms(outputs: Mapping[str, Outputs]) -> Figure:
    """Returns one histogram a method side by side, on common axes."""
    largest = max(float(models.losses(part)[0].max()) for models in outputs.values() for part in ("test", "forget"))
    figure, axes = _row(len(outputs))
    for models, ax in zip(outputs.values(), axes, strict=True):
        loss_histogram(models, ax, bins=np.linspace(0, largest, 31)).label_outer()
    return figure


def figures(outputs: Mapping[str, Outputs], members: np.ndarray, nonmembers: np.ndarray) -> dict[str, Figure]:
    """Returns the figures of an evaluation by name, some of `NAMES`.

    Args:
        outputs: by method, the retrained models' as `retrain`.
        members, nonmembers: what the attacks compare (`kit.attack_sample`), empty where none is possible.
    """
    drawings = {"losses": loss_histograms(outputs)}
    retrained = outputs[RETRAIN]
    compared = {name: models for name, models in outputs.items() if name != RETRAIN}
    fewest = min([retrained.num_models, *(models.num_models for models in compared.values())])
    if fewest >= MIN_MODELS:
        confidences = {name: guarded(models.confidences["forget"]) for name, models in outputs.items()}
        count = {name: min(len(array), retrained.num_models) for name, array in confidences.items()}
        pairs = {name: (confidences[name][: count[name]], confidences[RETRAIN][: count[name]]) for name in compared}
        half = retrained.num_models // 2
        pairs[RETRAIN] = confidences[RETRAIN][::2][:half], confidences[RETRAIN][1::2][:half]
        drawings |= {"epsilons": epsilon_histograms(pairs), "scores_by_models": score_curves(pairs)}
    if len(members):
        drawings["roc"] = roc_curves(outputs, members, nonmembers)
    return drawings


def epsilon_histogram(epsilons: np.ndarray, num_models: int, ax: Axes, *, title: str = "") -> Axes:
    """Draws how many forget examples have which epsilon, in the competition's bins, with what each bin earns.

    Args:
        epsilons: (examples,), from `kit.scorers.forgetting.example_epsilons`.
        num_models: N on either side, which decides where points end.
        ax: where to draw.
        title: of the picture.
    """
    bins = forgetting.num_bins(num_models)
    edges = forgetting.BIN_WIDTH * np.arange(bins + 2)  # the last bin holds all that earns nothing
    shares = np.histogram(np.clip(epsilons, 0, edges[-1] - forgetting.BIN_WIDTH / 2), edges)[0] / len(epsilons)
    colors = ["tab:blue"] * bins + ["tab:red"]
    ax.bar(edges[:-1], shares, forgetting.BIN_WIDTH, align="edge", color=colors, edgecolor="white")
    earned = forgetting.points(edges[:-1] + forgetting.BIN_WIDTH / 2, num_models)
    for left, share, point in zip(edges, shares, earned, strict=False):
        if share:
            text = f"1/{round(1 / point)}" if 0 < point < 1 else f"{point:.0f}"
            ax.text(left + forgetting.BIN_WIDTH / 2, share, text, ha="center", va="bottom", fontsize=6)
    score = float(forgetting.points(epsilons, num_models).mean())
    ax.set(title=f"{title}: {score:.3f}", xlabel="epsilon (last bin: and more)", ylabel="share of forget examples")
    ax.margins(y=0.1)
    return ax


def epsilon_histograms(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Returns one histogram of epsilons a method; `pairs`: method -> confidences (models, examples) of both sides."""
    figure, axes = _row(len(pairs))
    for (name, (unlearned, retrained)), ax in zip(pairs.items(), axes, strict=True):
        epsilons = forgetting.example_epsilons(unlearned, retrained)
        epsilon_histogram(epsilons, len(unlearned), ax, title=f"{_shown(name)}, {len(unlearned)} models")
        ax.label_outer()
    return figure


def score_curves(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Returns the forgetting score against the number of models a side, a line a method; `pairs` as above."""
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    ax = figure.subplots()
    for name, (unlearned, retrained) in pairs.items():
        sizes = [2**power for power in range(3, 20) if 2**power <= len(unlearned)]
        some = slice(forgetting.MOST_EXAMPLES_HALVED)
        scores = forgetting.score_by_num_models(unlearned[:, some], retrained[:, some], sizes)
        ax.plot(list(scores), list(scores.values()), marker="o", label=_shown(name))
    ax.set(xscale="log", ylim=(0, None), xlabel="models a side", ylabel="forgetting score")
    ax.set_title("Few models flatter bad methods")
    ax.legend(frameon=False)
    return figure


def roc_curve(outputs: Outputs, members: np.ndarray, nonmembers: np.ndarray, ax: Axes) -> Axes:
    """Draws the attack on the loss, forget against test, all models pooled.

    Args:
        outputs: of one method.
        members, nonmembers: indices into the forget and the test set.
        ax: where to draw. Small rates of false positives are where an attack that is sure of itself shows.

    Of a population the first 16 models are shown.
    """
    from sklearn.metrics import roc_curve as curve

    samples = (("forget", members), ("test", nonmembers))
    losses = [outputs.losses(part)[:NUM_WITH_LOGITS, indices].ravel() for part, indices in samples]
    false_positives, true_positives, _ = curve(np.repeat([1, 0], [*map(len, losses)]), -np.concatenate(losses))
    ax.plot(false_positives, true_positives, label=_shown(outputs.method))
    return ax


def roc_curves(outputs: Mapping[str, Outputs], members: np.ndarray, nonmembers: np.ndarray) -> Figure:
    """Returns the ROC curves of all methods in one picture, on logarithmic axes; arguments as in `roc_curve`."""
    figure = Figure(figsize=(4.4, 4), layout="constrained")
    ax = figure.subplots()
    lowest = 1.0 / (len(nonmembers) * max(min(models.num_models, NUM_WITH_LOGITS) for models in outputs.values()))
    for models in outputs.values():
        roc_curve(models, members, nonmembers, ax)
    diagonal = [lowest, 1.0]
    ax.plot(diagonal, diagonal, color="gray", linestyle=":", label="guessing")
    ax.set(xscale="log", yscale="log", xlim=(lowest, 1), ylim=(lowest, 1.05))
    ax.set(xlabel="false positive rate (test)", ylabel="true positive rate (forget)", title="Attack on the loss")
    ax.legend(frameon=False, loc="lower right")
    return figure


def _shown(name: str) -> str:
    """Returns the name of a method as a label: cut to what a picture has room for, and its dollars no mathematics."""
    label = name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 3]}..."
    return label.replace("$", r"\$")


def _row(number: int) -> tuple[Figure, np.ndarray]:
    """Returns a figure with panels side by side on common axes."""
    figure = Figure(figsize=(4 * number, 3.4), layout="constrained")
    return figure, np.atleast_1d(figure.subplots(1, number, sharex=True, sharey=True))


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, atomically."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    with files.atomic_write(path) as stream:
        stream.write(buffer.getvalue())
