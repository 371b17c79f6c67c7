"""What passes between rooms: small frozen dataclasses, and the errors of the kit. NumPy only."""

from kit.types.arrays import Arrays
from kit.types.errors import BrokenSubmission, FailedRun, InputError
from kit.types.outputs import NUM_WITH_LOGITS, PARTS, ModelOutputs, Outputs
from kit.types.problem import Challenge, Recipe, Split, check_challenge
from kit.types.scores import Comparison, Direction, Problem, Report, Score, ScoreInfo, TableName

__all__ = [
    "Arrays",
    "BrokenSubmission",
    "Challenge",
    "Comparison",
    "Direction",
    "FailedRun",
    "InputError",
    "ModelOutputs",
    "NUM_WITH_LOGITS",
    "Outputs",
    "PARTS",
    "Problem",
    "Recipe",
    "Report",
    "Score",
    "ScoreInfo",
    "Split",
    "TableName",
    "check_challenge",
]
