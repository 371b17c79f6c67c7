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
if TYPE_CHECKING:  # for mypy, pyright and editors; a test holds it to the names below
    from kit import challenges as challenges
    from kit import engines as engines
    from kit import methods as methods
    from kit import models as models
    from kit import probes as probes
    from kit import reports as report  # noqa: F401
    from kit import requests as requests
    from kit import scorers as scorers
    from kit import testing as testing
    from kit.challenges import load_challenge as load_challenge
    from kit.challenges import make_challenge as make_challenge
    from kit.challenges import splits as splits
    from kit.challenges.splits import load_split as load_split
    from kit.challenges.splits import make_split as make_split
    from kit.challenges.splits import save_split as save_split
    from kit.contest import pack as pack
    from kit.contest import validate as checks  # noqa: F401
    from kit.contest.check_pack import check_pack as check_pack
    from kit.contest.validate import validate as validate
    from kit.evaluation import Evaluation as Evaluation
    from kit.evaluation import attack_sample as attack_sample
    from kit.evaluation import evaluate as evaluate
    from kit.evaluation import evaluate_all as evaluate_all
    from kit.reports import figures as plots  # noqa: F401
    from kit.reports import ranking as ranking
    from kit.reports.leaderboard import leaderboard as leaderboard
    from kit.requests import unlearn_model as unlearn_model
    from kit.runs.outputs import compute_outputs as compute_outputs
    from kit.runs.population import run_population as run_population
    from kit.runs.run import Unlearned as Unlearned
    from kit.runs.run import unlearn as unlearn
    from kit.submission.source import load_method as load_method
    from kit.toolbox import training as training
    from kit.types import Arrays as Arrays
    from kit.types import BrokenSubmission as BrokenSubmission
    from kit.types import Challenge as Challenge
    from kit.types import DataColumns as DataColumns
    from kit.types import FailedRun as FailedRun
    from kit.types import InputError as InputError
    from kit.types import Outputs as Outputs
    from kit.types import Problem as Problem
    from kit.types import Recipe as Recipe
    from kit.types import Report as Report
    from kit.types import Score as Score
    from kit.types import Split as Split
    from kit.types import StartWeights as StartWeights
    from kit.types import Table as Table

__version__ = "0.1.0"

# The public names, imported when first used: `import kit` and `python -m kit --help` never load TensorFlow.
_HOME_OF = {
    "Arrays": "types",
    "BrokenSubmission": "types",
    "Challenge": "types",
    "DataColumns": "types",
    "Evaluation": "evaluation",
    "FailedRun": "types",
    "InputError": "types",
    "Outputs": "types",
    "Problem": "types",
    "Recipe": "types",
    "Report": "types",
    "Score": "types",
    "Split": "types",
    "StartWeights": "types",
    "Table": "types",
    "Unlearned": "runs.run",
    "attack_sample": "evaluation",
    "check_pack": "contest.check_pack",
    "compute_outputs": "runs.outputs",
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
    "unlearn_model": "requests",
    "validate": "contest.validate",
}
_MODULES = {
    "challenges": "challenges",
    "checks": "contest.validate",
    "engines": "engines",
    "methods": "methods",
    "models": "models",
    "pack": "contest.pack",
    "plots": "reports.figures",
    "probes": "probes",
    "ranking": "reports.ranking",
    "report": "reports",
    "requests": "requests",
    "scorers": "scorers",
    "splits": "challenges.splits",
    "testing": "testing",
    "training": "toolbox.training",
}
__all__ = sorted([*_HOME_OF, *_MODULES])  # noqa: PLE0605


if not TYPE_CHECKING:  # a type checker would take it for a promise that every name exists

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return importlib.import_module(f"kit.{_MODULES[name]}")
        if name in _HOME_OF:
            return getattr(importlib.import_module(f"kit.{_HOME_OF[name]}"), name)
        raise AttributeError(f"module 'kit' has no attribute '{name}'. Its public names are {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return __all__


threads.ask_tensorflow()
