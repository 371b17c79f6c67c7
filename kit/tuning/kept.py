"""What comes with the kit of its searches: traces in data/results/, the best settings in data/hyperparameters.toml."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from kit import challenges
from kit.challenges import hyperparameters
from kit.machine import environment
from kit.methods import _facts
from kit.storage import files, seals, strict_json
from kit.tuning import Outcome, Search, Settings, Trial
from kit.tuning.settings import RETRAINED_EACH
from kit.types import InputError


def trace_file(challenge: str) -> Path:
    """Returns the file with what was tried on a challenge: `methods` maps each method to its trials, the best last."""
    return files.data_folder() / "results" / f"tuning-{challenge}.json"


def check(search: Search) -> None:
    """Checks that what a search finds can come with the kit.

    Raises:
        InputError: it is not a checkout, the challenge is a user's, or the budget is another one than the others had.
    """
    usual = Search(search.method, search.challenge)
    known = search.challenge in challenges.CHALLENGES
    if search != usual or not known or not (files.data_folder() / "results").is_dir():
        raise InputError(
            f"What this search of '{search.method}' on '{search.challenge}' finds cannot be kept with the kit. "
            "Expected a checkout of the kit, one of its challenges, and the budget of all methods: "
            f"{usual.num_trials} trials, {usual.num_models} models, seed {usual.seed}. Leave out --write, or the other "
            "options."
        )


def load(search: Search) -> Outcome | None:
    """Returns the search that comes with the kit; None where the method was not searched on the challenge."""
    path = trace_file(search.challenge)
    content = _read(path)
    if search.method not in content["methods"]:
        return None
    tried = tuple(Trial(**entry) for entry in content["methods"][search.method])
    return Outcome(search, tried)


def write(outcome: Outcome) -> None:
    """Keeps a search: its trace, and the best settings in place of those that were there."""
    search, path = outcome.search, trace_file(outcome.search.challenge)
    content = _read(path)
    content["methods"][search.method] = [asdict(trial) for trial in outcome.trials]
    content |= {
        "criterion": "retraining_distance",
        "stages": search.stages(),
        "models": search.num_models,
        "retrained_models": RETRAINED_EACH * search.num_models,
        "versions": environment.versions(),
    }
    files.write_json(path, seals.with_digest(content))
    _write_settings(search, outcome.best.settings)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {"methods": {}}
    content: dict[str, Any] = files.checked(
        lambda: _searches(seals.without_digest(strict_json.loads(path.read_bytes()), required=True)),
        path,
        "the searches of the kit",
    )
    return content


def _searches(content: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(content.get("methods"), dict):
        raise ValueError("it holds something else")
    return content


def _write_settings(search: Search, best: Settings) -> None:
    content = hyperparameters.read()
    defaults = _facts.hyperparameters(search.method)
    differing = {name: value for name, value in best.items() if defaults[name] != value}
    content[search.challenge] = {**content.get(search.challenge, {}), search.method: differing}
    hyperparameters.write(content)
