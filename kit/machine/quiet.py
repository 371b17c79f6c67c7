"""Importing TensorFlow without what its C++ part logs, and handing work to processes that do so."""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from kit.machine.startup import log_set_aside, quick_import

_LOG_LEVEL, _QUIET = "TF_CPP_MIN_LOG_LEVEL", "3"
_COMMAND = "KIT_COMMAND"  # set in the processes of the command line, and of those that they start


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

            from kit.machine import code_cache, xla_code

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


class Sealed:
    """Work as bytes for another process, which opens it quietly: only then does it import what the work needs."""

    def __init__(self, content: bytes) -> None:
        """Takes a pickled object with the methods `run(number)` and `close()`."""
        self._content = content
        self._opened: Any = None

    @classmethod
    def of(cls, work: Any) -> Sealed:
        """Pickles work for other processes, functions of a notebook in it included.

        Args:
            work: an object with the methods `run(number)`, `run_together(numbers)` and `close()`.
        """
        import cloudpickle

        return cls(cloudpickle.dumps(work))

    def run(self, number: int) -> Any:
        """Runs one task; the work is unpickled at the first call.

        Args:
            number: of the task.

        Returns:
            What `run` of the work returned.
        """
        return self._open().run(number)

    def run_together(self, numbers: Sequence[int]) -> Any:
        """Runs several tasks at once; the work is unpickled at the first call.

        Args:
            numbers: of the tasks.

        Returns:
            What `run_together` of the work returned: a result for each task.
        """
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
    """Runs one task: a function of a module, which engines can hand to other processes.

    Args:
        sealed: the work.
        number: of the task.

    Returns:
        The result of the task.
    """
    return sealed.run(number)


def run_sealed_together(sealed: Sealed, numbers: Sequence[int]) -> Any:
    """Runs several tasks at once: as `run_sealed`, for engines that compute many models together.

    Args:
        sealed: the work.
        numbers: of the tasks.

    Returns:
        The results, in the order of `numbers`.
    """
    return sealed.run_together(numbers)
