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
# # A request from the queue to the receipt, and an auditor who checks it
#
# Runs in a clone of the kit, in Colab (upload its wheel first) and on Kaggle (attach its data set).
#
# **Author:** the authors of the kit. **Date:** 2026-11-27. **Running time:** about half a minute on two cores.
#
# You will learn
#
# - to serve requests to forget as they come, each with a deadline and with evidence;
# - what a person can check alone, with a receipt, and what an auditor can check who has the data;
# - which cheat is found by whom, and what no certificate proves.

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
import kit

print("kit", kit.__version__)

# %%
import base64
import hashlib
import json
import shlex
import shutil
import tempfile
import zipfile

import numpy as np
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from sklearn.datasets import load_breast_cancer

# %% [markdown]
# ## Three parties
#
# A *clinic* has the data, the model and the signing key. A *patient* gets a zip file. An *auditor* gets the data for a day.
# Each has a folder and a home of their own: the two others have nothing of the clinic's but its public key.

# %%
root = Path(tempfile.mkdtemp())
clinic, patient, auditor = (root / name for name in ("clinic", "patient", "auditor"))


def command(who, line, code=0, hide=None):
    """Calls the kit as somebody would type it in their folder; it has to end with this exit code."""
    who.mkdir(exist_ok=True)
    home = {"KIT_HOME": str(who / "home"), "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "FORCE_COLOR": ""}
    words = [sys.executable, "-m", "kit", *shlex.split(line)]
    done = subprocess.run(words, check=False, cwd=who, env=os.environ | home, capture_output=True, text=True)
    shown = (done.stdout + done.stderr * (done.returncode != 0)).splitlines()
    print(f"{who.name}$ kit {line}", *(text for text in shown if hide is None or hide not in text), sep="\n")
    assert done.returncode == code


# %% [markdown]
# ## A model that can be audited
#
# 569 patients; each is a group of its own, by which requests name them. Before anything is learnt, `kit certify` commits to
# the records, and the seed follows from that commitment: nobody can choose an order of the records afterwards.

# %%
table = load_breast_cancer()
x = ((table.data - table.data.mean(0)) / table.data.std(0)).astype("float32")
partition = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [379, 90, 100]))  # 0: trained on
numbers = np.flatnonzero(partition == 0)
clinic.mkdir()
np.savez(clinic / "patients.npz", x=x, y=table.target, groups=np.arange(569), partition=partition)
(clinic / "recipe.toml").write_text("epochs = 20\n")
command(clinic, "certify trail --challenge patients.npz --quiet")

# %% [markdown]
# ## Requests come in
#
# Two patients write. The second letter is typed in twice, which must not become two requests: `--id` sees to that. Without
# another `--deadline`, a request is due a calendar month after it came (Article 12(3) GDPR).

# %%
first, second = numbers[[3, 8]]
add = "requests add trail --challenge patients.npz --by desk --quiet"
command(clinic, f"{add} --forget group:{first} --id letter-1")
command(clinic, f"{add} --forget group:{second} --id letter-2")
command(clinic, f"{add} --forget group:{second} --id letter-2")

# %% [markdown]
# ## The queue is served
#
# One training for every two requests, or sooner where a deadline is near. From cron, say. Were the process killed at any
# instruction, the same command would go on.

# %%
command(clinic, "requests run trail --challenge patients.npz --policy every:2 --by officer --quiet")
command(clinic, "requests list trail")

# %% [markdown]
# ## What the patient gets
#
# `--hand-over` deletes the receipt at the clinic once the file is written: from then on nothing there leads from the log to
# this patient. The log itself has forgotten.

# %%
command(clinic, "requests evidence trail 1 --output answer.zip --hand-over --by officer")
with zipfile.ZipFile(clinic / "answer.zip") as archive:
    archive.extractall(patient)
shutil.copy(clinic / "home" / "keys" / "certificates.pub.pem", patient / "clinic.pem")
print((patient / "0001" / "statement.md").read_text(encoding="utf-8")[:420])

# %%
(receipt,) = (patient / "0001").glob("receipt-*.json")
command(patient, f"verify 0001/{receipt.name} --key clinic.pem")

# %% [markdown]
# ### The same without the kit
#
# A receipt is an Ed25519 signature over a statement, and the statement holds three paths through two Merkle trees
# (RFC 9162): the record's leaf was in the old one, and in the new one two *neighbours* stand where it would have to be.


# %%
def root_of(proof, size):
    """Returns the root that a leaf and its siblings lead to."""
    node, index, last = bytes.fromhex(proof["leaf"]), proof["index"], size - 1
    for sibling in map(bytes.fromhex, proof["siblings"]):
        while index % 2 == 0 and index == last:  # it has no sibling here, and moves up as it is
            index, last = index // 2, last // 2
        pair = sibling + node if index % 2 else node + sibling
        node, index, last = hashlib.sha256(b"\1" + pair).digest(), index // 2, last // 2
    return node.hex()


envelope = json.loads(receipt.read_bytes())
payload = base64.b64decode(envelope["payload"])
kind = envelope["payloadType"].encode()
signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
public = load_pem_public_key((patient / "clinic.pem").read_bytes())
public.verify(base64.b64decode(envelope["signatures"][0]["sig"]), signed)  # raises where it is forged
stated = json.loads(payload)["predicate"]
print(stated["old"], stated["new"], sep="\n")

# %% [markdown]
# ## What the auditor does
#
# Level 0 needs no data: signatures, log, trees. Level 2 executes the training again and asks for *equal bits*. Nothing is to
# be believed then but that the computer computes.

# %%
shutil.copytree(clinic / "trail", auditor / "trail")
for name in ("patients.npz", "recipe.toml"):
    shutil.copy(clinic / name, auditor / name)
shutil.copy(patient / "clinic.pem", auditor / "clinic.pem")
check = "verify trail/certificate.json --key clinic.pem"
command(auditor, f"{check} --level 2 --challenge patients.npz --quiet --json honest.json", hide="not proven:")

# %% [markdown]
# And if the clinic had written the certificate, and served a model in which one weight is another? It need not be one that
# knows the patient: any other model is found.

# %%
(weights,) = (auditor / "trail").glob("training-*/weights.npz")
content = weights.read_bytes()
weights.write_bytes(content[:-300] + bytes([content[-300] ^ 1]) + content[-299:])
command(auditor, f"{check} --json exchanged.json", code=1, hide="not proven:")
assert weights.write_bytes(content)

# %% [markdown]
# ## Exercises
#
# **1.** Check the patient's three paths. Why do the two neighbours show that the leaf is not in the new tree?

# %%
old, new, absent = stated["old"], stated["new"], stated["absent"]
assert root_of(stated["present"], old["size"]) == old["root"]
assert all(root_of(absent[side], new["size"]) == new["root"] for side in ("before", "after"))
assert absent["before"]["leaf"] < stated["present"]["leaf"] < absent["after"]["leaf"]
assert absent["after"]["index"] == absent["before"]["index"] + 1

# %% [markdown]
# **2.** A patient asks again to be forgotten, with another letter. What does the queue say?

# %%
command(clinic, f"{add} --forget group:{first} --id letter-3", code=2)
assert len(list((clinic / "trail" / "requests" / "evidence").iterdir())) == 2

# %% [markdown]
# **3.** Somebody at the clinic cuts a line out of the log, so that nobody sees how often it was trained. What does the
# auditor see?

# %%
log = auditor / "trail" / "log.jsonl"
lines = log.read_bytes().splitlines(keepends=True)
log.write_bytes(b"".join(lines[:3] + lines[4:]))
command(auditor, check, code=1, hide="not proven:")
log.write_bytes(b"".join(lines))
assert len(lines) == 7

# %% [markdown]
# ## Questions
#
# 1. The verdict lists what is *not* proven. Which of these could the auditor find out by other means?
# 2. The nonce was the clinic's own. What could it have done with many of them, and how does `--commit` prevent that?
# 3. An observer sees how long each request took. When does that say something about the patient?
#
# ## Further reading
#
# - [Certificates of deletion](../docs/certificates.md), [a queue of requests](../docs/requests.md),
#   [what the process gives away](../docs/leaks.md).
# - Thudi et al., On the necessity of auditable algorithmic definitions for machine unlearning, USENIX Security 2022.
# - RFC 9162, Certificate Transparency 2.0.

# %%
# The headline: the honest model was computed again to the bit, and the exchanged one is found.
honest, exchanged = (json.loads((auditor / f"{name}.json").read_text()) for name in ("honest", "exchanged"))
assert (honest["holds"], honest["weaker"], exchanged["holds"]) == (True, False, False)
