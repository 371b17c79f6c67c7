# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Methods side by side
#
# Runs in a clone of the kit, in Colab (upload its wheel first) and on Kaggle (attach its data set).
#
# **Author:** the authors of the kit. **Date:** 2026-11-27. **Running time:** about two minutes on two cores.
#
# You will learn
#
# - five ideas of how to forget, and where each stands between doing nothing and retraining;
# - to look at accuracy, forgetting and cost at once;
# - what a ranking says, and what it cannot say.

# %%
# Finds the kit: installed, in the clone around this notebook, or as a wheel beside it or in an attached data set.
import importlib.util
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec("kit") is None:
    here, attached, wheel = Path.cwd(), Path("/kaggle/input"), "unlearning_kit-*.whl"
    clones = [folder for folder in (here, *here.parents) if (folder / "kit" / "py.typed").exists()]
    wheels = [*here.glob(wheel), *(path for up in range(1, 5) for path in attached.glob("*/" * up + wheel))]
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if clones:
        sys.path.insert(0, str(clones[0]))
    elif wheels:
        subprocess.run([*install, str(wheels[0])], check=True)
    else:
        raise SystemExit(
            "The kit is not here: attach the data set that 'make kaggle-package' builds (on Kaggle: Add Input), or "
            "upload the wheel in it beside this notebook (in Colab: the folder at the left), and run this cell again."
        )

# %%
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's log is for its developers
import kit  # before TensorFlow computes anything

# %%
import matplotlib.pyplot as plt
import numpy as np

# %% [markdown]
# ## Five ideas
#
# Every method of the kit is one file with one function. `kit explain NAME`, or its docstring, gives the idea, the
# formula, the source, and what differs from it. Five of them, of five kinds:

# %%
NAMES = ["finetune", "random_labels", "scrub", "ssd", "noisy_distillation"]
for name in NAMES:
    unlearning = kit.methods.get(name)
    print(f"{name}: {unlearning.__doc__.splitlines()[0]}")

# %% [markdown]
# ## All on one challenge
#
# Each starts from the same original and is held against the same 512 retrained models. Eight models of each, because a
# single one tells of its luck as much as of the method.

# %%
challenge = kit.load_challenge("noisy-digits")
evaluation = kit.evaluate_all(NAMES, challenge, num_models=8)
kit.report.print_table(evaluation.reports)

# %% [markdown]
# ## Three things that one wants
#
# A good method forgets as retraining does, keeps what the model is to know, and is cheap. No number has all three, so
# look at them side by side: across, how far the accuracy on the forget set is from that of retrained models; upwards, the
# accuracy on the validation set; and the size of a dot is its cost in passes over the data.


# %%
def gap(report):
    score = report.score("forget_accuracy")
    return score.value - score.target


figure, ax = plt.subplots(figsize=(7, 4))
for number, report in enumerate(evaluation.reports):
    validation = report.score("validation_accuracy")
    passes = report.score("passes_ratio").value or 0.0
    marker = {"retrain": "*", "original": "X"}.get(report.method, "o")
    size = 40 + 600 * passes * (report.method != "retrain")
    colour = plt.get_cmap("tab10")(number)
    ax.scatter(gap(report), validation.value, s=size, marker=marker, color=colour, label=report.method, alpha=0.7)
    ax.errorbar(gap(report), validation.value, yerr=validation.stderr, color=colour)
ax.axvline(0, color="#999999", linewidth=1, zorder=0)
ax.set_xlabel("accuracy on the forget set, minus that of retrained models")
ax.set_ylabel("accuracy on the validation set")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1), markerscale=0.6)
figure.tight_layout()
plt.show()

# %% [markdown]
# ## One order
#
# The kit ranks by the distance to retraining: on each forget example, how far the models' mean confidence is from that of
# retrained models, in units of their spread, together with what the models have lost on retain and validation. Methods
# that cannot be told from the best, after Holm's correction for looking at several, are marked.

# %%
ranks = kit.ranking.rank(evaluation.reports)
for place in ranks:
    mark = " (not told from the best)" if place.near_best else ""
    budget = ", over the budget of passes" if place.over_budget else ""
    print(f"{place.place}. {place.method:20s} {place.score.value:6.2f} ± {place.score.stderr:.2f}{mark}{budget}")

# %% [markdown]
# ## Exercises
#
# **1.** Which of the methods has the accuracy on the forget set that is nearest to that of retrained models? Is it the
# first of the ranking?

# %%
rows = {report.method: report for report in evaluation.reports if report.method in NAMES}
nearest = min(rows, key=lambda name: abs(gap(rows[name])))
print(nearest, "; first of the ranking:", ranks[0].method)
assert nearest in NAMES

# %% [markdown]
# **2.** A method may be good on the mean and bad on single examples. For the first of the ranking, find the forget example
# whose mean confidence is farthest from that of retrained models, in their standard deviations.

# %%
unlearned = evaluation.outputs[ranks[0].method].confidences["forget"]
retrained = evaluation.outputs["retrain"].confidences["forget"]
distance = np.abs(unlearned.mean(0) - retrained.mean(0)) / retrained.std(0)
print(f"example {distance.argmax()}: {distance.max():.1f} standard deviations")
assert distance.max() > np.median(distance)

# %% [markdown]
# **3.** Write the sixth method: a function `unlearning(net, retain, forget, validation)` that returns `net` as it is. Where
# does it stand, and why?


# %%
def unlearning(net, retain, forget, validation):
    return net


mine = kit.evaluate(unlearning, challenge)
print(f"{mine.score('mia_gap').value:+.3f}, original {evaluation.reports[0].score('mia_gap').value:+.3f}")
assert mine.score("mia_gap").value == evaluation.reports[0].score("mia_gap").value

# %% [markdown]
# ## Questions
#
# 1. Why is the accuracy on the forget set no score by itself, neither the higher the better nor the lower?
# 2. `ssd` draws no random numbers. What does its spread over eight models say, and what not?
# 3. Hyper-parameters were searched for each method, on other splits. What would be unfair about searching on this one?
#
# ## Further reading
#
# - `kit list methods` shows all, `kit leaderboard` puts stored runs beside each other, `kit tune NAME` searches settings.
# - Kurmanji et al., [Towards unbounded machine unlearning](https://arxiv.org/abs/2302.09880), 2023: SCRUB.
# - Foster et al., [Fast machine unlearning without retraining](https://arxiv.org/abs/2308.07707), 2024: SSD.

# %%
distances = {report.method: report.score("retraining_distance").value for report in evaluation.reports}
assert distances["retrain"] < distances["finetune"] < distances["original"]
