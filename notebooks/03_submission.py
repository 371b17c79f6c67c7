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
# # From a function to a submission
#
# Runs in a clone of the kit, in Colab (upload its wheel first) and on Kaggle (attach its data set).
#
# **Author:** the authors of the kit. **Date:** 2026-11-27. **Running time:** about a minute on two cores.
#
# You will learn
#
# - what a submission must do, and how it is told what is wrong with it;
# - to score a method against retrained models;
# - to pack models, and to check the pack as the scorer will.
#
# What a participant does, in about a minute on a laptop: write one function, check it before the long run, score it,
# pack many unlearned models in the zip that a competition accepts, and check that zip with the scorer's own code.

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

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

# %% [markdown]
# ## 1. One function
#
# It is handed the trained model and three sets of batches, and returns the unlearned model. This one adds a little noise
# to the weights and repairs the damage on the retain set, at a learning rate that begins high: noise makes two runs
# differ, and the competition compares *distributions* of models.


# %%
def noise_and_repair(net, retain, forget, validation, *, noise=0.02, epochs=4):
    rate = keras.optimizers.schedules.CosineDecay(0.1, decay_steps=epochs * len(retain))
    for variable in net.trainable_variables:
        variable.assign_add(np.random.normal(0.0, noise, variable.shape))
    net.compile(
        optimizer=keras.optimizers.SGD(rate, momentum=0.9, weight_decay=5e-4),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    net.fit(retain, epochs=epochs, shuffle=False, verbose=0)
    return net


# %% [markdown]
# ## 2. Check it before the long run
#
# The same checks as `kit validate FILE`: each is run in a process of its own, ended if it takes too long. An empty list
# means ready; a `WARN` about the time can also mean that this machine is busy.

# %%
problems = kit.validate(noise_and_repair)
for problem in problems:
    print(problem.level, problem.check, "-", problem.message)
print("ready" if not problems else f"{len(problems)} warnings")

# %% [markdown]
# What it says to a typical mistake:


# %%
def forgot_to_return(net, retain, forget, validation):
    net.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    net.fit(retain, epochs=1, shuffle=False, verbose=0)


mistakes = kit.validate(forgot_to_return)
print(mistakes[0].level, mistakes[0].check, "-", mistakes[0].message)

# %% [markdown]
# ## 3. Score it
#
# Against models that were retrained without the forget set, the only fair reference.

# %%
challenge = kit.load_challenge("noisy-digits")
report = kit.evaluate(noise_and_repair, challenge)
for name in ("retain_accuracy", "forget_accuracy", "test_accuracy", "mia_gap"):
    score = report.scores[name]
    target = "" if score.target is None else f"   retrained: {score.target:.3f}"
    print(f"{name:16s} {score.value:6.3f} ± {score.stderr:.3f}{target}")

# %% [markdown]
# The original's gap is 0.208, that of a retrained model 0 but for noise. This method has forgotten a part, and an attack
# still finds the rest: a pack of it can be handed in, and will not win. The exercises go on from here.
#
# ## 4. Pack it
#
# The competition ran a notebook twice: first without data, to see that it runs, with a file `empty.txt` in the input
# folder. Then it wants a zip of any kind, and no work. The second time it wants 512 models; four show the way here.

# %%
NUM_MODELS = 4  # 512 in the competition

if kit.pack.is_mock_run():
    kit.pack.write_mock("submission.zip")
else:
    packed = kit.pack.pack(noise_and_repair, challenge, num_models=NUM_MODELS, output="submission.zip")
    print(f"{packed.path}: {packed.num_models} models, {packed.num_bytes / 1000:.0f} kB")

# %% [markdown]
# ## 5. Check the zip
#
# Count, names, shapes, dtype, finite values, diversity and the manifest. `python -m kit check-pack submission.zip` does
# the same and scores the models.

# %%
if not kit.pack.is_mock_run():
    checked = kit.check_pack("submission.zip", challenge)
    for check in checked.checks:
        print(f"{check.status:5s}{check.name:12s} {check.message}")

# %% [markdown]
# ## Exercises
#
# **1.** Which check notices a function that does nothing?


# %%
def lazy(net, retain, forget, validation):
    return net


remarks = {problem.check: problem.message for problem in kit.validate(lazy)}
print(remarks.get("changes_weights"))
assert "changes_weights" in remarks

# %% [markdown]
# **2.** How many megabytes would the competition's 512 models of this network take?

# %%
if not kit.pack.is_mock_run():
    megabytes = packed.num_bytes / NUM_MODELS * 512 / 1e6
    print(f"{megabytes:.0f} MB, and half of that with half=True")
    assert 10 < megabytes < 200

# %% [markdown]
# **3.** Add twenty-five times as much noise. What does that cost on the retain set?

# %%
loud = kit.evaluate(noise_and_repair, challenge, noise=0.5).scores["retain_accuracy"]
print(f"{report.scores['retain_accuracy'].value:.3f} with a noise of 0.02, {loud.value:.3f} with 0.5")
assert loud.value < report.scores["retain_accuracy"].value

# %% [markdown]
# ## Questions
#
# 1. Why does the competition want 512 models, and not the best one?
# 2. Why is a submission checked in a process of its own?
# 3. A method that draws nothing makes the same model 512 times. What does the competition's score say of it, and why?
#
# ## Further reading
#
# - [RULES.md](../RULES.md): what a submission may do, in pairs of allowed and not allowed.
# - [Write a method](../docs/writing-a-method.md), and [A class of ten](../docs/class.md) to host a competition.
# - Triantafillou et al., [Are we making progress in unlearning?](https://arxiv.org/abs/2406.09073), 2024: the winners'
#   methods.

# %%
# The headline of this notebook: the mistake was caught by name, the method forgets, and the pack is accepted.
assert report.scores["mia_gap"].value < 0.19
assert mistakes[0].check == "returns_model"
assert kit.pack.is_mock_run() or (checked.sound and checked.outputs.num_models == NUM_MODELS)
