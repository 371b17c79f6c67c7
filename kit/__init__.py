"""Machine unlearning for Keras: splits, methods, membership attacks and scores with their uncertainty.

>>> import kit
>>> "finetune" in kit.methods.names()
True
"""

from __future__ import annotations

import importlib

from kit import threads

# Not typing's, which 'python -m kit' would take from the working folder, if it is there (see kit.search_path).
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
    "Unlearned": "runner",
    "evaluate": "evaluation",
    "evaluate_all": "evaluation",
    "load_challenge": "challenges",
    "load_method": "submission",
    "load_split": "splits",
    "make_challenge": "challenges",
    "make_split": "splits",
    "run_population": "populations",
    "save_split": "splits",
    "unlearn": "runner",
    "validate": "checks",
}
_MODULES = (
    "challenges",
    "check_pack",
    "checks",
    "engines",
    "evaluation",
    "methods",
    "models",
    "outputs",
    "pack",
    "plots",
    "probes",
    "ranking",
    "report",
    "scorers",
    "splits",
    "training",
)
__all__ = sorted([*_HOME_OF, *_MODULES])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"kit.{name}")
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"kit.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'kit' has no attribute '{name}'. Its public names are {', '.join(__all__)}.")


def __dir__() -> list[str]:
    return __all__


threads.ask_tensorflow()
