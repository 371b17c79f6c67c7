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
# # A deletion request, from model to evidence
#
# Runs in a clone of the kit, in Colab (upload its wheel first) and on Kaggle (attach its data set).
#
# **Author:** the authors of the kit. **Date:** 2026-11-27. **Running time:** about a minute on two cores.
#
# You will learn
#
# - to go from a trained Keras model and a list of rows to the unlearned model;
# - what is compared with what, and why the recipe matters;
# - what is in the evidence, and what no evidence covers.

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
import json
import tempfile
from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_breast_cancer

# %% [markdown]
# ## A model in production
#
# Somebody trained this network on the records of 569 patients, 20 % of whose labels are wrong: such is life. It ends in one
# sigmoid and was compiled with Adam. Nothing about it was made for the kit.

# %%
table = load_breast_cancer()
generator = np.random.default_rng(0)
x = ((table.data - table.data.mean(0)) / table.data.std(0)).astype("float32")
y = np.where(generator.random(len(x)) < 0.2, generator.integers(0, 2, len(x)), table.target).astype("int32")
partition = generator.permutation(np.repeat([0, 1, 2], [379, 90, 100]))  # 0: trained on, 1: validation, 2: test

keras.utils.set_random_seed(0)
model = keras.Sequential(
    [
        keras.Input((30,), name="measurements"),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(1, activation="sigmoid", name="malignant"),
    ]
)
model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
model.fit(x[partition == 0], y[partition == 0], epochs=60, batch_size=32, verbose=0)
print(model.evaluate(x[partition == 2], y[partition == 2], verbose=0, return_dict=True))

# %% [markdown]
# ## The request
#
# Twenty patients ask to be forgotten. They are named by their rows, counted over the whole table. The kit needs to know how
# the model was trained, because every statement is made by comparison with models that are *retrained* in the same way
# without these rows; if the recipe is not that of the model, the verdict says that it can say nothing.

# %%
rows = np.flatnonzero(partition == 0)[:20]
recipe = kit.Recipe(epochs=60, optimizer="adam", learning_rate=0.01, weight_decay=0.0, schedule="constant")
folder = Path(tempfile.mkdtemp()) / "evidence"
outcome = kit.unlearn_model(
    model,
    kit.Arrays(x, y),
    rows,
    partition=partition,
    method="retrain",
    recipe=recipe,
    batch_size=32,
    evidence=folder,
)
print(outcome.verdict)

# %% [markdown]
# We asked for retraining here, which takes a second for a table. For a model that takes a week, `method="auto"` tries the
# kit's methods on *other* rows first, says how near to retraining each comes, and takes one only where it is near enough.
#
# What comes back is the same model: same class, layers, names, sigmoid and compile settings. Only the weights differ.

# %%
unlearned = outcome.model
print(type(unlearned).__name__, [layer.name for layer in unlearned.layers])
print(unlearned.evaluate(x[partition == 2], y[partition == 2], verbose=0, return_dict=True))

# %% [markdown]
# ## The evidence
#
# One page in plain language for whoever signs, tables for the people of the request, and a record with hashes.

# %%
print(sorted(path.name for path in folder.iterdir()))
print((folder / "statement.md").read_text(encoding="utf-8")[:1800])

# %% [markdown]
# ## Exercises
#
# **1.** How does the model's mean loss on the twenty rows change?


# %%
def loss(net):
    p = np.clip(keras.ops.convert_to_numpy(net(x[rows]))[:, 0], 1e-7, 1 - 1e-7)
    return float(-np.mean(np.where(y[rows] == 1, np.log(p), np.log(1 - p))))


print(f"before {loss(model):.3f}, after {loss(unlearned):.3f}")
assert loss(unlearned) > loss(model)

# %% [markdown]
# **2.** Save the unlearned model and load it as somebody without the kit would. Are its predictions the same?

# %%
path = folder.parent / "unlearned.keras"
unlearned.save(path)
again = keras.models.load_model(path)
predictions = [keras.ops.convert_to_numpy(net(x[:50])) for net in (again, unlearned)]
assert np.array_equal(*predictions)

# %% [markdown]
# **3.** Which records does `request.json` name, and by what else than their row can they be recognised later?

# %%
request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
print(request["records"][0])
assert [record["row"] for record in request["records"]] == rows.tolist()

# %% [markdown]
# ## Questions
#
# 1. The statement lists what is *not* covered. Which of these does your organisation have?
# 2. Why is the original model's accuracy on the twenty rows no evidence, neither before nor after?
# 3. What would you answer to a patient who asks whether it is *certain* that the model has forgotten them?
#
# ## Further reading
#
# - [Your own model and data](../docs/own-model.md): files, recipes
#   and the command `kit unlearn`.
# - Regulation (EU) 2016/679, article 17: the right to erasure.

# %%
assert [layer.get_config() for layer in unlearned.layers] == [layer.get_config() for layer in model.layers]
