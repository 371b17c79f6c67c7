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
# # What membership attacks measure
#
# Runs in a clone of the kit, in Colab (upload its wheel first) and on Kaggle (attach its data set).
#
# **Author:** the authors of the kit. **Date:** 2026-11-27. **Running time:** about a minute on two cores.
#
# You will learn
#
# - what an attacker sees of a single example, and how LiRA turns it into a number, by hand;
# - why one number for a whole forget set can look perfect while the model is ruined;
# - that where nothing was memorised, there is nothing to unlearn.

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
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from scipy import stats

from kit.scorers import lira

# %% [markdown]
# ## One example, three kinds of models
#
# `noisy-digits` has wrong labels in it, which a model can only get right by memorising them. The kit brings 512 models
# along that were *retrained* without the forget set: they say what a model that never saw an example thinks of it.
# Beside them we evaluate the original, and a function that pushes the forget set away: it trains on, with the loss of
# the forget examples negated.


# %%
def push_away(net, retain, forget, validation):
    """Lower loss on retain, higher loss on forget, at the same time."""
    kept = retain.map(lambda x, y: (x, y, tf.ones(tf.shape(y))))
    pushed = forget.map(lambda x, y: (x, y, -6.0 * tf.ones(tf.shape(y))))
    net.compile(
        keras.optimizers.SGD(0.02, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(kept.concatenate(pushed), epochs=8, verbose=0)
    return net


challenge = kit.load_challenge("noisy-digits")
evaluation = kit.evaluate_all([push_away], challenge)
retrained = evaluation.outputs["retrain"].confidences["forget"]
original = evaluation.outputs["original"].confidences["forget"][0]
print(f"{len(retrained)} retrained models, {retrained.shape[1]} forget examples")

# %% [markdown]
# The kit measures a *confidence*: log p - log(1 - p) of the example's label. Unlike p itself it is roughly normal over
# models, and unlike the loss it does not pile up near zero.

# %%
wrong = challenge.train.mislabelled[challenge.split.forget].astype(bool)
example = int(np.flatnonzero(wrong)[0])
mean, deviation = retrained[:, example].mean(), retrained[:, example].std()
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.6), width_ratios=(1, 4))
left.imshow(challenge.train.x[challenge.split.forget[example], ..., 0], cmap="gray_r")
left.set_title(f"label {challenge.train.y[challenge.split.forget[example]]}")
left.axis("off")
right.hist(retrained[:, example], bins=30, density=True, color="#999999", label="512 retrained models")
grid = np.linspace(*right.get_xlim(), 200)
right.plot(grid, stats.norm.pdf(grid, mean, deviation), color="black", label="a normal, fitted to them")
right.axvline(original[example], color="#D55E00", label="the original")
right.set_xlabel("confidence in the label")
right.legend(loc="upper left", bbox_to_anchor=(1, 1))
figure.tight_layout()
plt.show()

# %% [markdown]
# ## LiRA by hand
#
# The attack asks: how far above what models without the example say is this model? In standard deviations that is a z
# value, and the chance that a model without the example says less is the normal's cumulative probability.

# %%
z = (original[example] - mean) / deviation
print(f"z = {z:.2f}; a model that never saw the example says less with probability {stats.norm.cdf(z):.5f}")

# %% [markdown]
# For all examples at once the kit has `lira.lira_scores`. Wrongly labelled examples stick out: nobody guesses a wrong
# label without having seen it.

# %%
scores = lira.lira_scores(original[np.newaxis], retrained)[0]
print(f"mean z of wrong labels {scores[wrong].mean():.2f}, of right ones {scores[~wrong].mean():.2f}")

# %% [markdown]
# ## One number for all of them: the AUC, and how it deceives
#
# The attack on the loss compares the forget set with as many test examples: the AUC is the chance that a forget example
# has the lower loss. Its *gap* is the difference to retrained models, and 0 is the aim. Look at all columns of the row
# `push_away`, not only at the last one:

# %%
names = ("retain_accuracy", "forget_accuracy", "test_accuracy", "mia_auc", "mia_gap")
for report in evaluation.reports:
    values = (report.scores[name].value for name in names)
    print(f"{report.method:10s}", *(f"{name} {value:.3f} " for name, value in zip(names, values, strict=True)))

# %% [markdown]
# The attack finds *less* than in retrained models: the gap is below zero. That is no success. Whoever knows that this
# function was used looks for the examples with the *highest* losses, and has the forget set. This is called
# over-forgetting. And the model has paid for it with its accuracy on what it was to keep.
#
# Somewhere between the original's gap above zero and this one below it there is a strength of the push with a gap of
# exactly 0, and a ruined model still. So the kit ranks by the distance to retraining, example by example, together with
# what the model has lost, and by no attack alone.

# %% [markdown]
# ## No memorisation, nothing to unlearn
#
# `digits` has the same images with their right labels. A model that never saw an example is right about it anyway.

# %%
clean = kit.evaluate("original", kit.load_challenge("digits")).scores["mia_gap"]
noisy = evaluation.reports[0].scores["mia_gap"]
print(f"gap of the original: digits {clean.value:+.3f} ± {clean.stderr:.3f}, noisy-digits {noisy.value:+.3f}")

# %% [markdown]
# The original of `digits` did nothing about its forget set and can hardly be told from a retrained model. So a method
# that shines there has shown nothing. Try methods where the original fails.
#
# ## Exercises
#
# **1.** How many of the forget examples have a z value above that of 99 % of retrained models' own? (A retrained model's
# own z values come from `lira.lira_scores(retrained[:1], retrained[1:])`.)

# %%
own = lira.lira_scores(retrained[:1], retrained[1:])[0]
above = int((scores > np.quantile(own, 0.99)).sum())
print(above, "of", len(scores))
assert above > 10

# %% [markdown]
# **2.** Turn the attack round for `push_away`: what AUC has an attacker who takes the *higher* loss for the sign of a
# member?

# %%
turned = 1 - next(report for report in evaluation.reports if report.method == "push_away").scores["mia_auc"].value
print(f"{turned:.3f}")
assert turned > 0.5

# %% [markdown]
# **3.** LiRA needs retrained models. How much does its z for the example above change with only 16 of them?

# %%
few = lira.lira_scores(original[np.newaxis], retrained[:16])[0][example]
print(f"{few:.2f} with 16, {z:.2f} with 512")
assert abs(few - z) < z

# %% [markdown]
# ## Questions
#
# 1. Why is the confidence of 512 models of one example a distribution, although nothing but the seed differs?
# 2. An attacker has no retrained models of yours. What could they use instead?
# 3. A method leaves the AUC gap at 0.00 ± 0.03. Name two ways in which the forget set may still be in the model.
# 4. Why does the attack compare with *test* examples of the same classes, and not with any?
#
# ## Further reading
#
# - Carlini et al., [Membership inference attacks from first principles](https://arxiv.org/abs/2112.03570), 2022: LiRA.
# - Hayes et al., [Inexact unlearning needs more careful evaluations](https://arxiv.org/abs/2403.01218), 2024: U-LiRA.
# - `kit explain lira_auc`; the next notebook asks the same of whole populations of models.

# %%
gaps = {report.method: report.scores["mia_gap"].value for report in evaluation.reports}
assert gaps["original"] > 0 > gaps["push_away"], "the original leaks, pushing away over-forgets"
