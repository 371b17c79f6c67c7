"""The seconds that a call spends on tracing, which are no work."""

from __future__ import annotations

from kit.toolbox import _backend

watched = _backend.tracing.watched
