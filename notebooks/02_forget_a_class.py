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
# # Forget a class: MNIST without its fives
#
# Runs in a clone of the kit, in Colab (upload its wheel first) and on Kaggle (attach its data set).
#
# **Author:** the authors of the kit. **Date:** 2026-11-27. **Running time:** two to three minutes on two cores.
#
# You will learn
#
# - what it means that a network has never seen a class;
# - four ways to get there without training everything again, and what each costs;
# - why low accuracy on the forgotten class is not the aim by itself.
#
# The plainest example of unlearning there is: a network has learnt to read digits, and is to forget that there are
# fives. First by hand, in plain Keras, as the classic walkthrough has it: train, find the fives, train again without
# them. Then four other ways to get there, each held against that second training: gradient reversal, influence
# functions, model partitioning and SISA.

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
import kit  # before TensorFlow computes anything: kit asks it for one thread, so that results can be repeated

# %%
import time
from dataclasses import replace

import keras
import matplotlib.pyplot as plt
import numpy as np

# %% [markdown]
# ## 1. Train, find the fives, train again
#
# The challenge `mnist-five` is MNIST with every five of the training set to be forgotten. The network is a perceptron
# with one hidden layer, `Dense(128)`.

# %%
challenge = kit.load_challenge("mnist-five")
x, y = challenge.train.x / np.float32(255), challenge.train.y
fives = np.flatnonzero(y == 5)
print(f"{len(y)} images, {len(fives)} of them fives")

# %%
figure, axes = plt.subplots(1, 8, figsize=(10, 1.4))
for ax, index in zip(axes, fives, strict=False):
    ax.imshow(x[index, ..., 0], cmap="gray_r")
    ax.axis("off")
plt.show()


# %%
def train(x, y, epochs=2):
    """Trains a new network, as a first notebook on MNIST would."""
    keras.utils.set_random_seed(0)
    net = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    start = time.perf_counter()
    net.fit(x, y, batch_size=128, epochs=epochs, verbose=0)
    return net, time.perf_counter() - start


def tell(name, net, seconds):
    """Accuracy on the test set's fives, and on all its other digits."""
    test, labels = challenge.test.x / np.float32(255), challenge.test.y
    right = np.argmax(net(test), axis=1) == labels
    print(
        f"{name:32s} fives {right[labels == 5].mean():6.1%}   others {right[labels != 5].mean():6.1%}   {seconds:.1f} s"
    )


everything = train(x, y)
without_fives = train(np.delete(x, fives, axis=0), np.delete(y, fives))
tell("trained on everything", *everything)
tell("trained again without fives", *without_fives)

# %% [markdown]
# That is unlearning by definition, and the reference for all that follows: a network that was trained again has never
# seen a five, and so never says "five". It takes as long as the first training, each time that somebody wants to be
# forgotten.
#
# ## 2. Four other ways to get there
#
# - **Gradient reversal** (`gradient_ascent`) runs the training of the fives backwards.
# - **Influence functions** (`influence`) compute where the optimum would move if the fives were gone, and go there.
# - **Partitioning** (`exact_unlearning_k`) trains only the last layer again, from scratch.
# - **SISA** (`sisa`) has trained three networks on a third of the data each, slice by slice, and goes back to before the
#   first slice with a five. It is exact, but here every slice has fives, so it saves nothing; and it had to train the
#   original in its own way.
#
# `kit explain NAME` tells more about each; what they are set to here is in `data/hyperparameters.toml`. The kit's own
# original for this challenge was trained for ten epochs.

# %%
names = ["gradient_ascent", "influence", "exact_unlearning_k"]
reports = [*kit.evaluate_all(names, challenge).reports]
# Held against networks that were trained again in SISA's own way, of which three will do.
reports += kit.evaluate_all(["sisa"], challenge, num_retrained=3).reports


# %%
def shown(score, digits=3):
    return "-" if score.value is None else f"{score.value:.{digits}f}"


print(f"{'':26s}forgotten  retain    test  fives in test  distance  time ratio")
for report in reports:
    scores = report.scores
    print(
        f"{kit.ranking.title(report):26s}{1 - scores['forget_accuracy'].value:9.1%}{scores['retain_accuracy'].value:8.1%}"
        f"{scores['test_accuracy'].value:8.1%}{scores['forgotten_class_accuracy'].value:15.1%}"
        f"{shown(scores['average_gap']):>10s}{shown(scores['time_ratio'], 2):>12s}"
    )

# %% [markdown]
# *forgotten*: share of the training set's fives that the network no longer calls fives; *retain*: accuracy on the other
# digits that it was trained on; *test*: on the test set's other digits; *fives in test*: how many of the test set's fives
# it still calls fives.
#
# ## 3. How far from retraining?
#
# Low accuracy on fives is not the aim by itself: what counts is whether the network behaves as the retrained one does,
# on everything. *distance* (`average_gap`) is the mean distance of four numbers from those of a retrained network: the
# accuracies on forget, retain and test set, and the share of the forget set that a simple attack takes for never seen
# (`svc_mia_efficacy`); 0 is best. *time ratio* is the time, as a share of a retraining.

# %%
order = ["original", *names, "sisa"]
compared = sorted(
    (report for report in reports if report.method in order), key=lambda report: order.index(report.method)
)
titles = [kit.ranking.title(report) for report in compared]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.8), sharey=True)
gaps = left.barh(titles, [report.scores["average_gap"].value for report in compared], color="#d55e00")
left.bar_label(gaps, fmt="%.3f", padding=3)
left.margins(x=0.15)
left.set_xlabel("distance to retraining")
ratios = right.barh(titles, [report.scores["time_ratio"].value for report in compared], color="#0072b2")
right.bar_label(ratios, fmt="%.2f", padding=3)
right.margins(x=0.15)
right.axvline(kit.report.TIME_BUDGET, color="gray", linestyle=":", label="time budget of the 2023 competition")
right.set_xlabel("time, as a share of a retraining")
right.legend(fontsize=8)
left.invert_yaxis()
figure.tight_layout()
plt.show()

# %% [markdown]
# Gradient reversal is a matter of its learning rate: a little less and the fives are still there, a little more and the
# other digits go as well.

# %%
for rate in (0.002, 0.003, 0.005):
    settings = {"gradient_ascent": {"epochs": 1, "learning_rate": rate}}
    unlearned = kit.unlearn("gradient_ascent", replace(challenge, hyperparameters=settings))
    tell(f"gradient reversal at {rate}", unlearned.net, unlearned.seconds)

# %% [markdown]
# Influence functions are made for a few examples; for a tenth of all data the step that they compute is far too short,
# and fifteen times as long (`scale = 15`) it gets there, at a cost that the 2023 competition would not have allowed.
# Training the last layer again leaves nearly the accuracies of a retraining, because what the hidden layer knows of strokes
# it knows from all digits. SISA is as good as retraining because it is one, and here it takes as long.
#
# A distance of this kind says little of what is still inside: whether the hidden layer shows that it has seen fives is a
# question for stronger attacks. The settings were chosen by hand for this very example, which flatters all four; in the
# documentation's tables they were searched on other splits.

# %% [markdown]
# ## Exercises
#
# **1.** What does the network that was trained again say of the test set's fives?

# %%
test, labels = challenge.test.x / np.float32(255), challenge.test.y
answers = np.bincount(np.argmax(without_fives[0](test[labels == 5]), axis=1), minlength=10)
print({digit: int(count) for digit, count in enumerate(answers)})
assert answers[5] == 0

# %% [markdown]
# **2.** A shortcut: forbid the network that was trained on everything the answer "five". How far is its accuracy on the
# other digits from that of the network that was trained again?

# %%
logits = np.array(everything[0](test))
logits[:, 5] = -np.inf
others = labels != 5
shortcut = (logits.argmax(axis=1) == labels)[others].mean()
again = (np.argmax(without_fives[0](test), axis=1) == labels)[others].mean()
print(f"{shortcut:.1%} with the shortcut, {again:.1%} trained again")
assert abs(shortcut - again) < 0.02

# %% [markdown]
# **3.** Which of the methods would the 2023 competition not have allowed, because they take more than a fifth of a
# retraining?

# %%
costs = {report.method: report.scores["time_ratio"].value for report in compared}
too_slow = [name for name, cost in costs.items() if cost is not None and cost > kit.report.TIME_BUDGET]
print(too_slow)
assert "sisa" in too_slow

# %% [markdown]
# ## Questions
#
# 1. The shortcut of exercise 2 passes every test of accuracy. What does it still know, and who could find out?
# 2. Why do influence functions suit a few examples better than a tenth of the data?
# 3. How would the images have to be divided among SISA's shards for the fives to cost little?
#
# ## Further reading
#
# - Bourtoule et al., [Machine unlearning](https://arxiv.org/abs/1912.03817), 2021: SISA.
# - Koh and Liang, [Understanding black-box predictions via influence functions](https://arxiv.org/abs/1703.04730), 2017.
# - Goel et al., [Towards adversarial evaluations for inexact machine unlearning](https://arxiv.org/abs/2201.06640), 2022:
#   the last layers, trained again.

# %%
scores = {kit.ranking.title(report): report.scores for report in reports}
assert scores["exact_unlearning_k"]["average_gap"].value < scores["original"]["average_gap"].value
