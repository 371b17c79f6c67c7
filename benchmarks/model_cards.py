"""Prints the facts of each shipped file of weights, from the registry: python -m benchmarks.model_cards"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from kit.challenges.catalogue import CHALLENGES
from kit.storage import files

PARTS = ("train", "validation", "test")


def table() -> str:
    """Returns a table in Markdown with a row for each file of `data/pretrained`."""
    registry = json.loads((files.data_folder() / "registry.json").read_text(encoding="utf-8"))
    lines = [
        "| file | trained without | architecture | weights | epochs | accuracy train | validation | test | sha256 "
        "| examples (sha256) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for entry in registry.values():
        if isinstance(entry, dict) and str(entry.get("file")).startswith("pretrained/"):
            lines.append("| " + " | ".join(_cells(entry)) + " |")
    return "\n".join(lines)


def _cells(entry: dict[str, Any]) -> list[str]:
    path = files.data_folder() / entry["file"]
    name = path.stem.removesuffix("-retrained")
    with np.load(path, allow_pickle=False) as arrays:
        weights = sum(arrays[array].size for array in arrays.files)
    left_out = f"`{entry['split']}`, seed {entry['split_seed']}" if "split" in entry else "nothing"
    accuracies = [f"{entry['accuracies'][part]:.3f}" for part in PARTS]
    epochs = (entry.get("recipe") or {}).get("epochs", CHALLENGES[name].recipe.epochs)
    digests = [f"`{entry[key][:16]}…`" for key in ("sha256", "data_sha256")]
    return [f"`{path.name}`", left_out, entry["model"], f"{weights:,}", str(epochs), *accuracies, *digests]


if __name__ == "__main__":
    print(table())
