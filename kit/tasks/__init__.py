"""What a label is, one file a task: its check, its loss, what attacks look at, what is right, how a split is balanced.

A task imports NumPy, and `keras.ops` within its loss; it never sees a model. `kit.types.Task` says what it has to have.
"""

from __future__ import annotations

from kit.tasks.classification import CLASSIFICATION, Classification

__all__ = ["CLASSIFICATION", "Classification"]
