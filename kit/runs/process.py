"""A process in which the kit makes models itself, before it computes anything."""

from __future__ import annotations

from kit.machine import code_cache, xla
from kit.toolbox import setup


def prepare() -> None:
    """Fixes what bits depend on, and has what is compiled kept for other processes of the kit: never for a stranger's.

    Raises:
        InputError: the backend has started with another number of threads, or `$KIT_XLA` makes no sense.
    """
    xla.wish()  # else it would be taken for a fault of the first method that trains
    setup.prepare()
    setup.keep_compiled(code_cache.folder)
