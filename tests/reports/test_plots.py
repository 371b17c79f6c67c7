"""Pictures: what they show is what the evidence says, in a style that the colour-blind can read."""

from __future__ import annotations

import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib.colors
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from stored_results import evidence_of, reports_of, row, stored

from kit.reports import captions, memorisation, panels, style
from kit.reports import figures as plots
from kit.reports.evidence import LOSS_EDGES, epsilon_edges
from kit.scorers import forgetting
from kit.types import PARTS, Outputs

SIZES = {"retain": 40, "forget": 30, "validation": 20, "test": 25}


def outputs_of(method: str = "finetune", *, scale: float = 1.0, seed: int = 0, models: int = 2) -> Outputs:
    generator = np.random.default_rng(seed)
    logits = {part: generator.normal(size=(models, SIZES[part], 3)) * scale for part in PARTS}
    labels = {part: np.arange(SIZES[part]) % 3 for part in PARTS}
    return Outputs.of_logits(method, logits, labels, seconds=np.ones(models), seeds=np.arange(models))


def titles(figure: Figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in figure.axes]


def boxes(figure: Figure) -> list[np.ndarray]:
    """Left, bottom, right and top of the panels, in inches."""
    size = np.tile(figure.get_size_inches(), 2)
    return [np.array(ax.get_position().extents) * size for ax in figure.axes]


def test_losses_are_shares_of_all_models_and_examples() -> None:
    outputs = outputs_of(models=3, scale=3)
    (ax,) = plots.loss_histograms({"finetune": outputs}).axes
    test, forget = (patch.get_data() for patch in ax.patches)
    for part, (shares, edges, _) in (("forget", forget), ("test", test)):
        losses = np.clip(outputs.losses(part), LOSS_EDGES[0], LOSS_EDGES[-1])
        np.testing.assert_allclose(edges, LOSS_EDGES)
        np.testing.assert_allclose(shares, np.histogram(losses, LOSS_EDGES)[0] / losses.size, atol=1e-6)
    assert ax.get_xscale() == "log"
    assert "nats" in ax.get_xlabel()
    assert "share" in ax.get_ylabel()


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


def test_each_is_compared_with_the_retrained_models_and_these_with_nothing() -> None:
    outputs = {"finetune": outputs_of(), "retrain": outputs_of("retrain", seed=1)}
    mine, theirs = plots.loss_histograms(outputs).axes
    assert (len(mine.patches), len(theirs.patches)) == (3, 2)
    dotted, drawn = mine.patches[1].get_data().values, theirs.patches[1].get_data().values
    np.testing.assert_array_equal(dotted, drawn)


@pytest.mark.parametrize(
    ("method", "label"),
    [("m" * 240, "m" * 27 + "..."), ("a$b$", r"a\$b\$"), ("x" * 30, "x" * 30), ("[größe]", "[größe]")],
)
def test_a_name_is_cut_to_the_room_there_is_and_is_no_mathematics(method: str, label: str, tmp_path: Path) -> None:
    figure = plots.loss_histograms({method: outputs_of(method)})
    assert titles(figure) == [label]
    plots.save(figure, tmp_path / "losses.png")


def test_a_name_in_any_script_is_drawn_without_a_word_of_warning(tmp_path: Path) -> None:
    for suffix in (".png", ".svg"):
        plots.save(plots.loss_histograms({"忘却": outputs_of("忘却")}), tmp_path / f"losses{suffix}")


@pytest.mark.parametrize("count", [1, 3, 6, pytest.param(30, marks=pytest.mark.slow)])
def test_panels_stand_in_rows_of_four_and_nothing_lies_upon_another(count: int) -> None:
    figure = plots.loss_histograms({f"m{number}": outputs_of(models=1) for number in range(count)})
    assert titles(figure) == [f"m{number}" for number in range(count)]
    lefts = sorted({round(box[0], 6) for box in boxes(figure)})
    assert len(lefts) == min(count, 4)
    figure.draw_without_rendering()
    width, height = figure.bbox.size
    extents = [ax.get_tightbbox().extents for ax in figure.axes]
    (legend,) = figure.legends
    extents.append(legend.get_window_extent().extents)
    for number, box in enumerate(extents):
        assert box[0] >= 0
        assert box[1] >= 0
        assert box[2] <= width
        assert box[3] <= height
        for other in extents[:number]:
            assert box[0] >= other[2] or other[0] >= box[2] or box[1] >= other[3] or other[1] >= box[3]
    assert width < 1300  # pixels: fits on a screen


def test_epsilons_and_scores_stand_below_the_names() -> None:
    shown = stored("mine").evidence
    kinds = plots.kinds(shown)
    shares = shown.rows[1].distances.shares
    worth = [1 / 2**number for number in range(len(shares) - 1)] + [0]
    score = sum(share * points for share, points in zip(shares, worth, strict=True))
    assert titles(plots.grid(shown.rows[1:2], kinds["epsilons"][1])) == [f"mine\nscore {score:.4f}"]
    assert titles(plots.grid(shown.rows[1:2], kinds["example"][1])) == ["mine\nepsilon 1.50"]


def test_panels_share_axes() -> None:
    for rows, kind in plots.kinds(stored("a").evidence).values():
        limits = {(ax.get_xlim(), ax.get_ylim()) for ax in plots.grid(rows, kind).axes}
        assert len(limits) == 1


def test_roc_curves_say_the_area_below_them() -> None:
    outputs, members, nonmembers = outputs_of(models=3), np.arange(0, 30, 2), np.arange(5, 20)
    (ax,) = plots.roc_curves({"finetune": outputs}, members, nonmembers).axes
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    pairs = zip(outputs.losses("forget")[:, members], outputs.losses("test")[:, nonmembers], strict=True)
    areas = [roc_auc_score(np.repeat([1, 0], 15), -np.concatenate(pair)) for pair in pairs]
    assert [text.get_text() for text in ax.texts] == [f"AUC {np.mean(areas):.3f}"]
    np.testing.assert_array_equal(*ax.get_lines()[0].get_data())  # guessing


def test_epsilons_stand_in_the_competitions_bins_with_what_each_earns() -> None:
    mine = row("mine", 0, models=64)
    kind = panels.Epsilons.of([mine])
    ax = Figure().subplots()
    kind.frame(ax)
    kind.draw(mine, ax)
    assert mine.distances is not None
    bars = ax.containers[0]
    assert len(bars) == forgetting.num_bins(64) + 1 == 11
    np.testing.assert_allclose([bar.get_height() for bar in bars], mine.distances.shares)
    np.testing.assert_allclose([bar.get_x() for bar in bars], 0.5 * np.arange(11))
    assert [text.get_text() for text in ax.texts][::5] == ["1", "1/32", "0"]
    assert bars[-1].get_facecolor() != bars[0].get_facecolor()  # what earns nothing stands out


def test_each_examples_epsilon_stands_above_how_well_it_was_memorised() -> None:
    shown = stored("mine").evidence
    assert shown is not None
    rows, kind = plots.kinds(shown)["memorisation"]
    mine, theirs = rows[1].distances, rows[-1].distances
    assert mine is not None
    assert theirs is not None
    ax = Figure().subplots()
    kind.frame(ax)
    kind.draw(rows[1], ax)
    line, dots = ax.get_lines()
    last = epsilon_edges(mine.num_models)[-1]
    np.testing.assert_array_equal(dots.get_data(), [shown.memorised, np.minimum(mine.epsilons, last)])
    assert min(mine.epsilons) < last < max(mine.epsilons)
    np.testing.assert_array_equal(line.get_ydata(), [min(np.median(theirs.epsilons), last)] * 2)
    assert ax.get_xlim()[0] < shown.memorised[0] < shown.memorised[-1] < ax.get_xlim()[1]
    assert ax.get_ylim()[1] > last
    assert "nats" in ax.get_xlabel()
    assert "epsilon" in ax.get_ylabel()
    assert kind.note(rows[1]) == f"rank correlation {spearmanr(shown.memorised, mine.epsilons).statistic:+.2f}"
    kind.draw(rows[-1], ax)  # retraining, which is compared with nothing
    assert len(ax.get_lines()) == 3


def test_who_sees_no_picture_reads_the_epsilons_of_both_ends() -> None:
    shown = stored("mine").evidence
    assert shown is not None
    mine = shown.rows[1].distances
    assert mine is not None
    text = captions.alternative("memorisation", shown.rows[1], shown)
    least, best = np.median(mine.epsilons[:3]), np.median(mine.epsilons[-3:])  # of twelve
    assert text.startswith(f"mine: the median epsilon is {least:.2f} in the quarter memorised least and {best:.2f} in")
    assert text.endswith(f"rank correlation {spearmanr(shown.memorised, mine.epsilons).statistic:+.2f}.")


def test_ranks_go_together_as_scipy_has_it_with_ties() -> None:
    generator = np.random.default_rng(0)
    for count in (2, 5, 40):
        first, second = generator.normal(size=count), generator.integers(0, 9, count) / 2
        assert memorisation.rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)


def test_evidence_from_before_single_epsilons_is_drawn_without_them() -> None:
    shown = stored("mine").evidence
    assert shown is not None
    rows = [
        replace(row, distances=None if row.distances is None else replace(row.distances, epsilons=()))
        for row in shown.rows
    ]
    assert set(plots.figures(replace(shown, rows=tuple(rows), memorised=()))) == set(plots.NAMES) - {"memorisation"}


def test_accuracies_stand_beside_their_class_and_none_where_there_is_no_example() -> None:
    shown = stored("mine").evidence
    kind = panels.Accuracies.of(shown)
    ax = Figure().subplots()
    kind.frame(ax)
    kind.draw(shown.rows[1], ax)
    forget, test = (line.get_ydata() for line in ax.get_lines()[1::2])
    np.testing.assert_array_equal(forget, [0.5, np.nan, 0.75])
    np.testing.assert_array_equal(test, [0.6, 0.7, 0.8])
    assert [label.get_text() for label in ax.get_xticklabels()] == list(shown.strata)


def test_confidences_are_those_of_all_models() -> None:
    shown = stored("mine").evidence
    kind = panels.Confidences.of(shown.rows, shown.reference)
    ax = Figure().subplots()
    kind.draw(shown.rows[1], ax)
    counts, edges, _ = ax.patches[-1].get_data()
    expected = np.histogram(shown.rows[1].confidences, edges)[0]
    assert expected.sum() == shown.rows[1].num_models
    np.testing.assert_allclose(counts, expected / expected.max())


def test_score_curves_name_thirty_methods_beside_the_axes() -> None:
    rows = [row(f"method_{number}", number) for number in range(30)]
    figure = plots.score_curves(rows)
    (ax,) = figure.axes
    # All dashes that a caller makes up are "--" to matplotlib; the pattern tells them apart.
    assert len({(line.get_color(), str(line._dash_pattern)) for line in ax.get_lines()}) == 30
    assert dict(zip(*ax.get_lines()[0].get_data(), strict=True)) == {8: 0.2, 16: 0.1}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["8", "16"]
    figure.draw_without_rendering()
    legend, axes = ax.get_legend().get_window_extent(), ax.get_window_extent()
    assert legend.x0 >= axes.x1
    assert legend.x1 <= figure.bbox.x1
    assert legend.y0 >= 0


def test_a_row_of_a_single_score_is_a_point() -> None:
    first, second = row("mine", 0), row("other", 1)
    assert second.distances is not None
    alone = replace(second, distances=replace(second.distances, sizes=(8,), scores=(0.05,)))
    curve, point = plots.score_curves([first, alone]).axes[0].get_lines()
    assert (curve.get_marker(), point.get_marker()) == ("", "o")


@pytest.mark.parametrize(
    ("populations", "names"),
    [(False, set(plots.NAMES) - {"epsilons", "memorisation", "scores_by_models"}), (True, set(plots.NAMES))],
)
def test_figures_of_populations_are_drawn_where_there_are_some(populations: bool, names: set[str]) -> None:
    shown = evidence_of(reports_of([]), populations=populations)
    assert set(plots.figures(shown)) == names


def test_colours_differ_for_who_sees_no_red_or_no_green() -> None:
    """Machado et al. (2009): what a full deuteranope and a full protanope see; at least 15 units of CIE76 apart."""
    deuteranope = [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]
    protanope = [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]
    for matrix in (np.eye(3), deuteranope, protanope):
        for colours in (style.LINES, (style.FORGET, style.TEST, style.INK)):
            seen = [lab(np.clip(np.array(matrix) @ linear(colour), 0, 1)) for colour in colours]
            apart = [np.linalg.norm(color - other) for number, color in enumerate(seen) for other in seen[:number]]
            assert min(apart) > 15


def linear(colour: str) -> np.ndarray:
    return np.array(matplotlib.colors.to_rgb(colour)) ** 2.2


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb
    f = np.cbrt(xyz / [0.9505, 1.0, 1.089])
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_a_picture_is_saved_of_its_size_and_alone(tmp_path: Path) -> None:
    figure = plots.loss_histograms({name: outputs_of(name) for name in ("original", "finetune", "retrain")})
    plots.save(figure, tmp_path / "new folder" / "losses.png")
    content = (tmp_path / "new folder" / "losses.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == tuple((figure.get_size_inches() * 120).astype(int))
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["losses.png"]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_same_outputs_give_the_same_bytes(tmp_path: Path, kind: str) -> None:
    for name in ("one", "two"):
        plots.save(plots.loss_histograms({"finetune": outputs_of()}), tmp_path / f"{name}.{kind}")
    assert (tmp_path / f"one.{kind}").read_bytes() == (tmp_path / f"two.{kind}").read_bytes()


def test_pictures_and_pages_need_no_display_and_no_tensorflow() -> None:
    """`matplotlib.pyplot` chooses a backend for the whole process and keeps every figure: not for a library to do."""
    code = (
        "import sys, kit, kit.reports.page; kit.plots\n"
        "unwanted = {'matplotlib.pyplot', 'tensorflow', 'keras', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(unwanted)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_pictures_leave_the_style_of_others_alone() -> None:
    before = dict(matplotlib.rcParams)
    plots.loss_histograms({"finetune": outputs_of()})
    assert dict(matplotlib.rcParams) == before
