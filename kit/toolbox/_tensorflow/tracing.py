"""What TensorFlow spends on tracing: the first step of each trace, for most of a short call is that.

Tracing is the making of a graph's operations, one after another, each in a fraction of a millisecond. So that is what
is counted, and not whatever goes on while a function is traced or called for the first time: Python code that it
runs, operations that are executed rather than put into a graph (under `tf.init_scope`), a loop within a graph
that trains to the end, other threads. Between two operations Python leads from one to the next, which takes twice as
long as making them. It counts where one call into the libraries made both, and nothing of the caller's own ran between.
"""

from __future__ import annotations

import contextlib
import os
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import keras
import tensorflow
from tensorflow.python import pywrap_tfe
from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function
from tensorflow.python.framework import func_graph

import kit
from kit.toolbox.costs import Traces

# Seconds that the making of one operation may take; beyond that, something else was done meanwhile.
_LONGEST_OPERATION = 0.002
# Of a first step in plain Keras, all else (conversion to a graph's code, optimising it, the step itself, the collection
# of garbage) takes three to four tenths of what its operations take.
_MOST_OTHER = 0.5
# Where code lies that is nobody's own: Python's, that of packages installed where Keras and TensorFlow are, the kit's.
_INSTALLED = tuple(
    {
        "<frozen ",
        *(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib")),
        *(str(Path(package).parents[1]) + os.sep for package in (keras.__file__, tensorflow.__file__)),
        str(Path(kit.__file__).parent) + os.sep,
    }
)
_EXECUTING = ("TFE_Py_FastPathExecute", "TFE_Py_Execute", "TFE_Py_ExecuteCancelable")


@contextlib.contextmanager
def watched() -> Iterator[Traces]:
    """Gives an object that follows the traces of this process while it lasts.

    A call of a `tf.function` in which something was traced counts, its first step included; a trace without such a
    call, as data sets have it, counts too, and one within another once. In each, operations count for what making them
    took, and all else for half as much as they did at most.
    """
    watch = _Watch()
    with contextlib.ExitStack() as stack:
        stack.callback(_replaced(Function, "__call__", watch.around))
        stack.callback(_replaced(func_graph, "func_graph_from_py_func", watch.around))
        stack.callback(_replaced(func_graph.FuncGraph, "_create_op_internal", watch.makes_operation))
        for name in _EXECUTING:
            stack.callback(_replaced(pywrap_tfe, name, watch.executes))
        yield watch.traces


def _replaced(owner: Any, name: str, wrapped: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Callable[[], None]:
    """Puts a wrapped function in the place of one; returns what puts it back."""
    original = getattr(owner, name)
    setattr(owner, name, wrapped(original))
    return lambda: setattr(owner, name, original)


class _Watch:
    """Follows first steps: the thread that takes one, what it has made, and when it last made or executed something.

    Also which call into the libraries made the last operation: the call itself is kept, for another one may have its
    number.
    """

    def __init__(self) -> None:
        self.traces = Traces()
        self._thread, self._depth = 0, 0
        self._making = self._last = 0.0
        self._call: FrameType | None = None

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps what may be a first step, or a part of one."""

        def watched_function(*arguments: Any, **settings: Any) -> Any:
            if self._depth and threading.get_ident() != self._thread:
                return function(*arguments, **settings)
            with self._first_step():
                return function(*arguments, **settings)

        return watched_function

    @contextlib.contextmanager
    def _first_step(self) -> Iterator[None]:
        if self._depth == 0:
            self._thread, self._making, self._last = threading.get_ident(), 0.0, time.thread_time()
        start, self._depth = time.process_time(), self._depth + 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._call = None
            if self._depth == 0 and self._making:
                whole = time.process_time() - start
                other = whole - self._making
                self.traces.making += self._making
                self.traces.first_steps += whole
                self.traces.seconds += self._making + min(max(other, 0.0), _MOST_OTHER * self._making)

    def makes_operation(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps what puts an operation into a graph."""

        def watched_function(*arguments: Any, **settings: Any) -> Any:
            begin = time.thread_time()
            operation = function(*arguments, **settings)
            if self._depth and threading.get_ident() == self._thread:
                now, call = time.thread_time(), _call_into_the_libraries()
                since = self._last if call is self._call else begin
                self._making += min(now - since, _LONGEST_OPERATION)
                self._last, self._call, self.traces.operations = now, call, self.traces.operations + 1
            return operation

        return watched_function

    def executes(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps what executes an operation, or a graph; what led to it is no making of operations either."""

        def watched_function(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            finally:
                if self._depth and threading.get_ident() == self._thread:
                    self._last = time.thread_time()

        return watched_function


def _call_into_the_libraries() -> FrameType:
    """Returns the call, of those that are running, by which somebody's own code has entered what is installed."""
    call = frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_INSTALLED):
        call, frame = frame, frame.f_back  # type: ignore[assignment]
    return call
