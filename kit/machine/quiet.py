"""Importing TensorFlow without what its C++ part logs, and handing work to processes that do so."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pickle
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

_LOG_LEVEL, _QUIET = "TF_CPP_MIN_LOG_LEVEL", "3"
_COMMAND = "KIT_COMMAND"  # set in the processes of the command line, and of those that they start
# Keras imports them for its wrappers and galleries if they are installed: a quarter of the seconds of importing it.
_NEEDLESS = ("sklearn", "matplotlib")


@contextlib.contextmanager
def quiet_tensorflow(debug: bool = False) -> Iterator[None]:
    """Imports TensorFlow and looks for devices while what its C++ part logs goes to a file, shown only on failure.

    Args:
        debug: do not hide anything.

    Raises:
        InputError: Keras's backend is unknown or not installed.
    """
    if debug:
        yield
        return
    os.environ.setdefault(_LOG_LEVEL, _QUIET)
    with log_set_aside(2):
        if "keras" not in sys.modules:
            _import_keras()
        if sys.modules["keras"].backend.backend() == "tensorflow":
            import tensorflow as tf

            from kit.machine import code_cache, xla_code  # not beside a stranger, whose process never comes here

            xla_code.keep(code_cache.folder)
            tf.config.list_physical_devices()
        yield


def _import_keras() -> None:
    try:
        with quick_import():
            importlib.import_module("keras")
    except (ImportError, ValueError) as error:
        from kit.types import InputError

        raise InputError(
            f"Keras cannot be imported ({str(error).splitlines()[0]}). Expected 'tensorflow' or 'jax' as its backend, "
            "which the environment variable KERAS_BACKEND or keras.json names, and that library installed. Set "
            "KERAS_BACKEND=tensorflow, or install what is missing."
        ) from error


def load_tensorflow() -> None:
    """Imports TensorFlow, quietly where the command line has asked for that; to be called just before it is needed."""
    if "keras" in sys.modules:
        return
    with quiet_tensorflow(debug=_COMMAND not in os.environ):
        importlib.import_module("keras")


def ask_for_quiet(debug: bool) -> None:
    """Has TensorFlow imported quickly and without a log, in this process and in those that it starts.

    Only for a process of the kit's own: in a user's, `keras.wrappers` would lack scikit-learn.

    Args:
        debug: do not ask for that.
    """
    if not debug:
        os.environ.setdefault(_LOG_LEVEL, _QUIET)
        os.environ[_COMMAND] = "1"


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


class Sealed:
    """Work as bytes for another process, which opens it quietly: only then does it import what the work needs."""

    def __init__(self, content: bytes) -> None:
        """Takes a pickled object with the methods `run(number)` and `close()`."""
        self._content = content
        self._opened: Any = None

    @classmethod
    def of(cls, work: Any) -> Sealed:
        """Pickles an object with the methods `run(number)` and `close()`, functions of a notebook in it included."""
        import cloudpickle

        return cls(cloudpickle.dumps(work))

    def run(self, number: int) -> Any:
        """Opens the work at the first call, and runs one task."""
        return self._open().run(number)

    def run_together(self, numbers: Sequence[int]) -> Any:
        """Opens the work at the first call, and runs several tasks at once."""
        return self._open().run_together(numbers)

    def _open(self) -> Any:
        if self._opened is None:
            with quiet_tensorflow():
                self._opened = pickle.loads(self._content)  # noqa: S301 (from this kit's own driver)
            self._content = b""
        return self._opened

    def close(self) -> None:
        """Closes the work, if it was opened."""
        if self._opened is not None:
            self._opened.close()


def run_sealed(sealed: Sealed, number: int) -> Any:
    """Runs one task: what engines with other processes are given."""
    return sealed.run(number)


def run_sealed_together(sealed: Sealed, numbers: Sequence[int]) -> Any:
    """Runs several tasks at once, and returns their results in their order."""
    return sealed.run_together(numbers)
