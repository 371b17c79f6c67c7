"""How libraries start in a process of the kit's own, and in one that it starts for a stranger: quickly, quietly."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

# Keras imports them for its wrappers and galleries if they are installed: a quarter of the seconds of importing it.
_NEEDLESS = ("sklearn", "matplotlib")


@contextlib.contextmanager
def quick_import() -> Iterator[None]:
    """Has Keras and TensorFlow imported in this block in half of the time, in a process of the kit's own.

    Keras believes that libraries are not installed which nothing here has it use, and nobody looks for garbage among
    hundreds of thousands of objects that stay for good: neither meanwhile nor later.
    """
    hidden = [name for name in _NEEDLESS if name not in sys.modules]
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(hidden))  # None: an import raises ImportError
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
        for name in hidden:
            sys.modules.pop(name, None)


@contextlib.contextmanager
def log_set_aside(*descriptors: int) -> Iterator[None]:
    """Sends what is written to some file descriptors to a file; it is shown, as an error, only if the block fails.

    Afterwards all of them write to the error output.
    """
    sys.stderr.flush()
    stderr_copy = os.dup(2)
    with tempfile.TemporaryFile() as log:
        for descriptor in descriptors:
            os.dup2(log.fileno(), descriptor)
        try:
            yield
        except (Exception, SystemExit):
            log.seek(0)
            os.write(stderr_copy, log.read())
            raise
        finally:
            for descriptor in descriptors:
                os.dup2(stderr_copy, descriptor)
            os.close(stderr_copy)
