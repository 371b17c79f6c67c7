"""Pictures: what they show is what the losses are."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score

from kit.reports import figures as plots
from kit.scorers import forgetting
from kit.types import PARTS, Outputs

SIZES = {"retain": 40, "forget": 30, "validation": 20, "test": 25}


def outputs_of(method: str = "finetune", *, scale: float = 1.0, seed: int = 0, models: int = 2) -> Outputs:
    generator = np.random.default_rng(seed)
    logits = {part: generator.normal(size=(models, SIZES[part], 3)) * scale for part in PARTS}
    labels = {part: np.arange(SIZES[part]) % 3 for part in PARTS}
    return Outputs.of_logits(method, logits, labels, seconds=np.ones(models), seeds=np.arange(models))


def new_axes() -> Axes:
    return Figure().subplots()


def heights(ax: Axes) -> list[np.ndarray]:
    """The heights of the bars of each histogram, in the order in which they were drawn."""
    return [np.array([bar.get_height() for bar in container]) for container in ax.containers]


def edges(ax: Axes) -> list[np.ndarray]:
    return [
        np.array([bar.get_x() for bar in container] + [container[-1].get_x() + container[-1].get_width()])
        for container in ax.containers
    ]


def test_a_histogram_is_drawn_where_it_is_asked_for_and_returned() -> None:
    ax = new_axes()
    assert plots.loss_histogram(outputs_of(), ax) is ax


def test_a_histogram_says_what_it_shows() -> None:
    ax = plots.loss_histogram(outputs_of("my_method"), new_axes())
    assert ax.get_title() == "my_method"
    assert "nats" in ax.get_xlabel()
    assert "share" in ax.get_ylabel()
    assert ax.get_yscale() == "log"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["test (25)", "forget (30)"]


@pytest.mark.parametrize(
    ("method", "label"), [("m" * 240, "m" * 27 + "..."), ("a$b$", r"a\$b\$"), ("x" * 30, "x" * 30)]
)
def test_a_name_is_cut_to_the_room_there_is_and_is_no_mathematics(method: str, label: str, tmp_path: Path) -> None:
    assert plots.loss_histogram(outputs_of(method), new_axes()).get_title() == label
    figure = plots.roc_curves({method: outputs_of(method)}, np.arange(20), np.arange(20))
    assert label in [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    plots.save(figure, tmp_path / "roc.png")


def test_bars_are_the_shares_of_the_first_models_losses() -> None:
    outputs, bins = outputs_of(scale=3), np.linspace(0, 20, 11)
    ax = plots.loss_histogram(outputs, new_axes(), bins=bins)
    for part, drawn, drawn_edges in zip(("test", "forget"), heights(ax), edges(ax), strict=True):
        counted, _ = np.histogram(outputs.losses(part)[0], bins)
        np.testing.assert_allclose(drawn, counted / SIZES[part])
        np.testing.assert_allclose(drawn_edges, bins)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_by_default_every_example_is_in_a_bar(scale: float) -> None:
    ax = plots.loss_histogram(outputs_of(scale=scale), new_axes())
    assert [len(drawn) for drawn in heights(ax)] == [30, 30]
    np.testing.assert_allclose([drawn.sum() for drawn in heights(ax)], 1)


def test_colours_tell_forget_from_test_and_are_those_of_every_panel() -> None:
    panels = plots.loss_histograms({"one": outputs_of("one"), "two": outputs_of("two", seed=1)}).axes
    colours = [[container[0].get_facecolor() for container in ax.containers] for ax in panels]
    assert colours[0] == colours[1]
    assert colours[0][0] != colours[0][1]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_there_is_one_panel_a_method_in_their_order(count: int) -> None:
    outputs = {f"method_{number}": outputs_of(f"method_{number}", seed=number) for number in range(count)}
    figure = plots.loss_histograms(outputs)
    assert [ax.get_title() for ax in figure.axes] == list(outputs)


def test_panels_share_axes_and_bins_that_reach_the_largest_loss_of_all() -> None:
    outputs = {"small": outputs_of("small"), "large": outputs_of("large", scale=50)}
    figure = plots.loss_histograms(outputs)
    left, right = figure.axes
    assert left.get_xlim() == right.get_xlim()
    assert left.get_ylim() == right.get_ylim()
    largest = max(outputs["large"].losses(part)[0].max() for part in ("test", "forget"))
    for drawn_edges in edges(left) + edges(right):
        np.testing.assert_allclose(drawn_edges[[0, -1]], [0, largest], atol=1e-12)
    np.testing.assert_allclose([drawn.sum() for ax in figure.axes for drawn in heights(ax)], 1)


@pytest.mark.parametrize("logit", [0.0, 1e5, -1e5, -3e38], ids=["undecided", "perfect", "wrong", "hopeless"])
def test_losses_without_any_spread_can_be_drawn(tmp_path: Path, logit: float) -> None:
    labels = np.arange(30) % 3
    logits = np.zeros((1, 30, 3), np.float32)
    logits[0, np.arange(30), labels] = logit
    outputs = Outputs.of_logits(
        "flat", dict.fromkeys(PARTS, logits), dict.fromkeys(PARTS, labels), seconds=np.ones(1), seeds=np.zeros(1)
    )
    plots.save(plots.loss_histograms({"flat": outputs}), tmp_path / "flat.png")
    assert (tmp_path / "flat.png").stat().st_size > 0


@pytest.mark.parametrize("name", ["_hidden", "mit_größe", "100%", "[bold]"])
def test_any_file_name_makes_a_title(tmp_path: Path, name: str) -> None:
    figure = plots.loss_histograms({name: outputs_of(name)})
    plots.save(figure, tmp_path / "title.png")
    assert figure.axes[0].get_title() == name


def test_a_picture_is_saved_as_png_of_its_size_and_alone(tmp_path: Path) -> None:
    outputs = {name: outputs_of(name) for name in ("original", "finetune", "retrain")}
    plots.save(plots.loss_histograms(outputs), tmp_path / "new folder" / "losses.png")
    content = (tmp_path / "new folder" / "losses.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (3 * 480, 408)
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["losses.png"]


def test_the_same_outputs_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        plots.save(plots.loss_histograms({"finetune": outputs_of()}), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_drawing_leaves_the_outputs_as_they_were() -> None:
    outputs = outputs_of()
    before = {part: outputs.logits[part].copy() for part in PARTS}
    plots.loss_histograms({"finetune": outputs})
    for part in PARTS:
        np.testing.assert_array_equal(outputs.logits[part], before[part])


def test_pictures_need_no_display_and_no_tensorflow() -> None:
    """`matplotlib.pyplot` chooses a backend for the whole process and keeps every figure: not for a library to do."""
    code = (
        "import sys, kit; kit.plots\n"
        "unwanted = {'matplotlib.pyplot', 'tensorflow', 'keras', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(unwanted)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# Populations


def pair(seed: int, models: int = 32, examples: int = 30, shift: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.normal(shift, 1, (models, examples)), generator.normal(0, 1, (models, examples))


def test_epsilons_are_counted_in_the_competitions_bins() -> None:
    epsilons = np.array([0.1, 0.2, 0.7, 1.4, 3.9, 50.0])
    ax = plots.epsilon_histogram(epsilons, 64, new_axes(), title="mine")
    bars = ax.containers[0]
    assert len(bars) == forgetting.num_bins(64) + 1 == 11
    np.testing.assert_allclose([bar.get_height() * 6 for bar in bars], [2, 1, 1, 0, 0, 0, 0, 1, 0, 0, 1])
    np.testing.assert_allclose([bar.get_x() for bar in bars], 0.5 * np.arange(11))
    labels = [text.get_text() for text in ax.texts]
    assert labels == ["1", "1/2", "1/4", "1/128", "0"]
    assert ax.get_title() == f"mine: {forgetting.points(epsilons, 64).mean():.3f}"
    assert bars[-1].get_facecolor() != bars[0].get_facecolor()  # what earns nothing stands out


def test_score_curves_show_the_score_at_each_number_of_models() -> None:
    figure = plots.score_curves({"mine": pair(0), "other": pair(1, shift=2.0)})
    (ax,) = figure.axes
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert list(lines) == ["mine", "other"]
    expected = forgetting.score_by_num_models(*pair(0), [8, 16, 32])
    assert dict(zip(*lines["mine"].get_data(), strict=True)) == expected
    assert ax.get_xscale() == "log"


def test_roc_curves_are_scikit_learns_on_logarithmic_axes() -> None:
    outputs = outputs_of(models=3)
    members, nonmembers = np.arange(0, 30, 2), np.arange(5, 20)
    figure = plots.roc_curves({"finetune": outputs}, members, nonmembers)
    (ax,) = figure.axes
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    line, diagonal = ax.get_lines()
    false_positives, true_positives = line.get_data()
    truth = np.repeat([1, 0], 3 * 15)
    pairs = (("forget", members), ("test", nonmembers))
    losses = np.concatenate([outputs.losses(part)[:, chosen].ravel() for part, chosen in pairs])
    assert np.trapezoid(true_positives, false_positives) == pytest.approx(roc_auc_score(truth, -losses))
    np.testing.assert_array_equal(*diagonal.get_data())


@pytest.mark.parametrize(
    ("models", "names"), [(1, {"losses", "roc"}), (8, {"losses", "roc", "epsilons", "scores_by_models"})]
)
def test_figures_of_populations_are_drawn_where_there_are_some(models: int, names: set[str], tmp_path: Path) -> None:
    outputs = {
        "finetune": outputs_of(models=models),
        "retrain": outputs_of("retrain", models=max(2 * models, 6), seed=1),
    }
    figures = plots.figures(outputs, np.arange(20), np.arange(20))
    assert set(figures) == names <= set(plots.NAMES)
    assert set(plots.figures(outputs, np.array([], int), np.array([], int))) == names - {"roc"}
    for name, figure in figures.items():
        plots.save(figure, tmp_path / f"{name}.png")
    if "epsilons" in figures:
        assert [ax.get_title().split(",")[0] for ax in figures["epsilons"].axes] == ["finetune", "retrain"]
