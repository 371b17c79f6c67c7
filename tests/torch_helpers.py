"""Finds PyTorch, which the tests against it need and most machines that run the others do not have."""

from __future__ import annotations

import os
from typing import Any

import pytest


def find_torch() -> Any:
    """Returns PyTorch, on one thread; without it, tests are skipped, or fail where `make test-torch` runs them."""
    if os.environ.get("KIT_REQUIRE_TORCH"):
        import torch
    else:
        torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch
