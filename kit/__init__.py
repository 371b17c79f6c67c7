"""Machine unlearning for Keras: splits, methods, membership attacks and scores with their uncertainty.

>>> import kit
>>> "finetune" in kit.methods.names()
True
"""

from __future__ import annotations

import importlib

from kit.machine import threads

# Not typing's, which 'python -m kit' would take from the working folder, if it is there (see kit.machine.search_path).
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

# The public names, imported when first used: `import kit` and `python -m kit --help` never load TensorFlow.
_HOME_OF = {
    "Arrays": "types",
    "BrokenSubmission": "types",
    "Challenge": "types",
    "Evaluation": "evaluation",
    "FailedRun": "types",
    "InputError": "types",
    "Outputs": "types",
    "Problem": "types",
    "Recipe": "types",
    "Report": "types",
    "Score": "types",
    "Split": "types",
    "Unlearned": "runs.run",
    "evaluate": "evaluation",
    "evaluate_all": "evaluation",
    "leaderboard": "reports.leaderboard",
    "load_challenge": "challenges",
    "load_method": "submission.source",
    "load_split": "challenges.splits",
    "make_challenge": "challenges",
    "make_split": "challenges.splits",
    "run_population": "runs.population",
    "save_split": "challenges.splits",
    "unlearn": "runs.run",
    "validate": "contest.validate",
}
_MODULES = {
    "challenges": "challenges",
    "check_pack": "contest.check_pack",
    "checks": "contest.validate",
    "engines": "engines",
    "evaluation": "evaluation",
    "methods": "methods",
    "models": "models",
    "outputs": "runs.outputs",
    "pack": "contest.pack",
    "plots": "reports.figures",
    "probes": "probes",
    "ranking": "reports.ranking",
    "report": "reports",
    "scorers": "scorers",
    "splits": "challenges.splits",
    "testing": "testing",
    "training": "toolbox.training",
}
__all__ = sorted([*_HOME_OF, *_MODULES])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"kit.{_MODULES[name]}")
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"kit.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'kit' has no attribute '{name}'. Its public names are {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return __all__


threads.ask_tensorflow()
