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
# # Exact unlearning, and what it costs
#
# Runs in a clone of the kit, in Colab (upload its wheel first) and on Kaggle (attach its data set).
#
# **Author:** the authors of the kit. **Date:** 2026-11-27. **Running time:** about two minutes on two cores.
#
# You will learn
#
# - what "exact" means, and what SISA does to be so;
# - why the price depends on how many examples are to be forgotten, and when;
# - what exact unlearning does not cover.

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
import numpy as np

# %% [markdown]
# ## Two ways of being exact
#
# Retraining without the forget set is exact, and costs a training. *SISA* is exact too: it divides the data among the
# members of an ensemble, trains each on its shard, slice after slice, and keeps the weights after each slice. To forget
# an example it goes back to the last weights that had not seen it, and trains that member on from there.
#
# Its own training is another one than the challenge's: three networks that have seen a third of the data each. So the kit
# shows its rows `original` and `retrain` apart.

# %%
challenge = kit.load_challenge("noisy-digits")
retraining = challenge.recipe.epochs * len(challenge.split.retain)
shares = {}
for forget in ("random:126", "random:3"):
    unlearned = kit.unlearn("sisa", kit.load_challenge("noisy-digits", forget=forget))
    shares[forget] = unlearned.facts["examples_shown"] / retraining
    print(
        f"{forget}: {unlearned.facts['shards_retrained']:.0f} of 3 shards, {shares[forget]:.2f} of a retraining's passes"
    )

# %% [markdown]
# A random tenth of the data has touched every slice: nearly everything is trained again. Three examples touch a few, and
# cost a part. Exactness is cheap when requests are small and come one by one, and when somebody has planned for them.
#
# ## What is paid instead
#
# Each member has seen a third of the data, and an ensemble of three such networks is another model than one that has seen
# everything:

# %%
evaluation = kit.evaluate_all(["finetune", "sisa"], challenge)
for report in evaluation.reports:
    accuracies = (report.score(f"{part}_accuracy").value for part in ("retain", "forget", "test"))
    print(f"{kit.ranking.title(report):16s}", *(f"{value:.3f}" for value in accuracies))

# %% [markdown]
# On these data the ensemble is the *better* model on the test set, since it memorises fewer wrong labels, and it knows the
# retain set less well. Which of the two matters is the owner's decision, and nothing that an attack can measure.
#
# ## Exact for whom?
#
# That the result has the distribution of a retraining is a property of the *algorithm*. It does not cover what else has
# seen the data: copies, backups, embeddings, models that were distilled from this one, or the choice of the
# architecture. And it holds only where the shards were kept apart, without an example in two of them.
#
# ## Exercises
#
# **1.** The attack should find as much in SISA's unlearned model as in its own retrained ones. Does it, within two
# standard errors?

# %%
gap = next(report for report in evaluation.reports if report.method == "sisa").score("mia_gap")
print(f"{gap.value:+.3f} ± {gap.stderr:.3f}")
assert abs(gap.value) < 3 * gap.stderr

# %% [markdown]
# **2.** With S shards of R slices and examples that are placed at random, one forgotten example costs on average half a
# shard's training or more. What share of all passes is that for 3 shards?

# %%
SHARDS, SLICES = 3, 4
share = np.mean([(SLICES - first) / SLICES for first in range(SLICES)]) / SHARDS
print(f"{share:.2f}")
assert 0.15 < share < 0.25

# %% [markdown]
# **3.** How many random requests does it take until every one of 12 slices has lost an example? (The collector's problem:
# 12 times the sum of 1/k.)

# %%
expected = 12 * sum(1 / k for k in range(1, 13))
print(f"{expected:.0f} requests on average")
assert 35 < expected < 40

# %% [markdown]
# ## Questions
#
# 1. Who knows which shard an example is in, and what could they do with it?
# 2. Why does the learning rate begin anew with each slice, and what does that cost?
# 3. When is retraining once a month, for all requests together, the better plan?
#
# ## Further reading
#
# - Bourtoule et al., [Machine unlearning](https://arxiv.org/abs/1912.03817), 2021: SISA.
# - Guo et al., [Certified data removal](https://arxiv.org/abs/1911.03030), 2020: exact up to a bound (`certified_removal`).
# - `kit explain sisa`.

# %%
assert shares["random:3"] < shares["random:126"], "three examples cost less than a tenth of all"
