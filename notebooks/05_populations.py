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
# # Populations, and the competition's score
#
# Runs in a clone of the kit, in Colab (upload its wheel first) and on Kaggle (attach its data set).
#
# **Author:** the authors of the kit. **Date:** 2026-11-27. **Running time:** about two minutes on two cores.
#
# You will learn
#
# - why unlearning is a question about distributions of models, and how epsilon measures it for one example;
# - what the score of the 2023 competition rewards, and what it costs to compute;
# - why few models flatter a method, and noise too.

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

from kit.scorers.forgetting import example_epsilons, forgetting_score
from kit.scorers.ulira import log_likelihood_ratios, ulira_auc

# %% [markdown]
# ## Why one model is not enough
#
# Training draws random numbers, so "the model retrained without the forget set" is not one model but a distribution of
# models. An unlearning method draws random numbers as well. Unlearning has succeeded when the two distributions cannot
# be told apart, and to look at distributions we need samples of both: 64 models of each here, 512 in the 2023
# competition. Retrained ones come with the kit.

#
# Beside fine-tuning we look at a function that forgets nothing. It adds noise to the weights, and touches no data.


# %%
def noise_only(net, retain, forget, validation):
    """Adds to each weight noise of a fifth of its array's standard deviation."""
    net.set_weights([array + np.random.normal(0, 0.22 * array.std(), array.shape) for array in net.get_weights()])
    return net


NUM_MODELS = 64
challenge = kit.load_challenge("noisy-digits")
evaluation = kit.evaluate_all(["finetune", noise_only], challenge, num_models=NUM_MODELS)
confidences = {name: outputs.confidences["forget"][:NUM_MODELS] for name, outputs in evaluation.outputs.items()}
for name, values in confidences.items():
    print(f"{name:10s} {values.shape[0]} models x {values.shape[1]} forget examples")

# %% [markdown]
# ## One example, two distributions
#
# How sure are the models of the label of one forgotten example? Each histogram is over models.

# %%
wrong = challenge.train.mislabelled[challenge.split.forget].astype(bool)
example = int(np.flatnonzero(wrong)[0])
figure, ax = plt.subplots(figsize=(7, 2.6))
bins = np.linspace(min(v[:, example].min() for v in confidences.values()) - 1, 4, 40)
for name, colour in {"retrain": "#999999", "finetune": "#0072B2", "noise_only": "#E69F00"}.items():
    ax.hist(confidences[name][:, example], bins=bins, alpha=0.6, color=colour, label=name)
ax.axvline(confidences["original"][0, example], color="#D55E00", label="original")
ax.set_xlabel("confidence in the label of one forget example")
ax.set_ylabel("models")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
figure.tight_layout()
plt.show()

# %% [markdown]
# ## Epsilon
#
# An attacker is handed a model from one of the two histograms and guesses which. The *epsilon* of an example is how well
# the luckiest of some 160,000 attackers does: the logarithm of the ratio of their rates of being right and of being
# wrong. It is 0 where the histograms lie on each other.

# %%
epsilons = {name: example_epsilons(confidences[name], confidences["retrain"]) for name in ("finetune", "noise_only")}
for name, values in epsilons.items():
    print(f"{name:10s} this example {values[example]:.2f}, median of all {np.median(values):.2f}")

# %% [markdown]
# ## The competition's score, and its price
#
# Each example earns 1 point below an epsilon of 0.5, half of that for each further 0.5, and the mean is the forgetting
# score. With so many attackers one is always lucky: retrained models against other retrained models do not earn 1
# either. That is the ceiling. And fewer models make luckier attackers, but coarser ones:

# %%
oracle = evaluation.outputs["retrain"].confidences["forget"]
for number in (16, 64, 256):
    print(f"{number:3d} retrained against {number} others: {forgetting_score(oracle[:number], oracle[-number:]):.3f}")

# %% [markdown]
# So scores of different numbers of models must not be compared. There is another price: what the score rewards is
# *spread*. Noise makes the two histograms overlap, whatever the model still knows. Look at what the score gives to
# `noise_only`; at the AUC gap, by which it knows the forget set nearly as well as the original; at U-LiRA, which asks the
# same question as the score, without luck (0.5 is ideal); and at the kit's own criterion, the distance to retraining, in
# which noise buys nothing (0 is ideal):

# %%
for report in evaluation.reports:
    scores = [report.score(name).value for name in ("competition_score", "mia_gap", "ulira_auc", "retraining_distance")]
    print(
        f"{report.method:10s}",
        *("      -" if score is None else f"{score:7.3f}" for score in scores),
    )

# %% [markdown]
# ## Exercises
#
# **1.** Of how many forget examples is the median confidence of the `noise_only` models nearer to the original's than to
# the retrained models' median?

# %%
medians = {name: np.median(values, axis=0) for name, values in confidences.items()}
distance = {name: np.abs(medians["noise_only"] - medians[name]) for name in ("original", "retrain")}
nearer = int((distance["original"] < distance["retrain"]).sum())
print(nearer, "of", len(medians["original"]))
assert nearer > len(medians["original"]) / 2

# %% [markdown]
# **2.** Compute U-LiRA's AUC of retrained models against other retrained models. What should it be?

# %%
auc = ulira_auc(log_likelihood_ratios(oracle[:NUM_MODELS], oracle[-NUM_MODELS:]))
print(f"{auc:.3f}")
assert abs(auc - 0.5) < 0.05

# %% [markdown]
# **3.** A method that returns the same model whatever the seed earns next to nothing, even if that model is a retrained
# one. Show it with a single retrained model, repeated.

# %%
repeated = np.repeat(oracle[:1], NUM_MODELS, axis=0)
print(f"{forgetting_score(repeated, oracle[-NUM_MODELS:]):.4f}")
assert forgetting_score(repeated, oracle[-NUM_MODELS:]) < forgetting_score(oracle[:NUM_MODELS], oracle[-NUM_MODELS:])

# %% [markdown]
# ## Questions
#
# 1. Why does the competition compare with 512 retrained models, and not with one that is trained for 512 epochs?
# 2. The winner of 2023 earned 0.0937. What would a perfect method have earned on that data set, and how would you know?
# 3. Why can an example that nobody memorised not tell a good method from a bad one?
# 4. All models here start from one original. What does that leave out of the distribution?
#
# ## Further reading
#
# - Triantafillou et al., [Are we making progress in unlearning?](https://arxiv.org/abs/2406.09073), 2024: the findings of
#   the competition, and the definition of the score.
# - Hayes et al., [Inexact unlearning needs more careful evaluations](https://arxiv.org/abs/2403.01218), 2024: U-LiRA.
# - On the command line: `kit evaluate finetune weight_noise --num-models 512`.

# %%
criterion = {report.method: report.score("retraining_distance").value for report in evaluation.reports}
assert criterion["retrain"] < criterion["finetune"] < criterion["noise_only"], "noise is no forgetting"
