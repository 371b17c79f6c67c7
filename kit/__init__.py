"""Machine unlearning for Keras: splits, methods, membership attacks and scores with their uncertainty.

>>> import kit
>>> kit.methods.names()[:2]
('finetune', 'original')
"""

from __future__ import annotations

import importlib
import os
import sys
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


def _ask_tensorflow_for_one_thread() -> None:
    """Asks for one thread before TensorFlow starts, because the bits of a trained model depend on their number.

    TensorFlow reads these variables at its first operation. Once it computes, the number is fixed:
    `training.prepare_tensorflow` then refuses to make models that nobody could repeat.
    """
    if "tensorflow" in sys.modules:
        try:
            sys.modules["tensorflow"].config.threading.set_intra_op_parallelism_threads(1)
        except RuntimeError:  # it computes already, with a number of threads that can no longer be told
            return
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"


_ask_tensorflow_for_one_thread()
