"""What passes between rooms: small frozen dataclasses, and the errors of the kit. NumPy only.

A name is imported when it is first used: the command line raises errors, and does not wait for NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.types.arrays import Arrays
    from kit.types.cost import Cost, Retraining
    from kit.types.data_columns import DataColumns
    from kit.types.errors import BrokenSubmission, FailedRun, InputError
    from kit.types.forget import forget_form
    from kit.types.model_options import ModelOptions
    from kit.types.once import Once
    from kit.types.outputs import NUM_WITH_LOGITS, PARTS, ModelOutputs, Outputs, confidences
    from kit.types.problem import Challenge, Split, check_challenge
    from kit.types.recipe import Recipe
    from kit.types.score_info import Direction, ScoreInfo, TableName
    from kit.types.scores import Comparison, Problem, Report, Score
    from kit.types.start_weights import StartWeights
    from kit.types.table import Table
    from kit.types.task import Task

_HOME_OF = {
    "Arrays": "arrays",
    "BrokenSubmission": "errors",
    "Challenge": "problem",
    "Comparison": "scores",
    "Cost": "cost",
    "DataColumns": "data_columns",
    "Direction": "score_info",
    "FailedRun": "errors",
    "InputError": "errors",
    "ModelOptions": "model_options",
    "ModelOutputs": "outputs",
    "NUM_WITH_LOGITS": "outputs",
    "Once": "once",
    "Outputs": "outputs",
    "PARTS": "outputs",
    "Problem": "scores",
    "Recipe": "recipe",
    "Report": "scores",
    "Retraining": "cost",
    "Score": "scores",
    "ScoreInfo": "score_info",
    "Split": "problem",
    "StartWeights": "start_weights",
    "Table": "table",
    "TableName": "score_info",
    "Task": "task",
    "check_challenge": "problem",
    "confidences": "outputs",
    "forget_form": "forget",
}
__all__ = [
    "Arrays",
    "BrokenSubmission",
    "Challenge",
    "Comparison",
    "Cost",
    "DataColumns",
    "Direction",
    "FailedRun",
    "InputError",
    "ModelOptions",
    "ModelOutputs",
    "NUM_WITH_LOGITS",
    "Once",
    "Outputs",
    "PARTS",
    "Problem",
    "Recipe",
    "Report",
    "Retraining",
    "Score",
    "ScoreInfo",
    "Split",
    "StartWeights",
    "Table",
    "TableName",
    "Task",
    "check_challenge",
    "confidences",
    "forget_form",
]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"kit.types.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'kit.types' has no attribute '{name}'. Its names are {', '.join(__all__)}.")
