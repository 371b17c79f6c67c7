"""What TensorFlow spends on tracing: the first step of each trace, for most of a short call is that."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from tensorflow.python.eager.polymorphic_function.polymorphic_function import Function
from tensorflow.python.framework import func_graph

from kit.toolbox.costs import Traces


@contextlib.contextmanager
def watched() -> Iterator[Traces]:
    """Gives an object that follows the traces of this process while it lasts.

    A call of a `tf.function` in which something was traced counts whole, its first step included; a trace without such
    a call, as data sets have it, counts too, and one within another once.
    """
    traces, call, trace = Traces(), Function.__call__, func_graph.func_graph_from_py_func
    depth = 0

    @contextlib.contextmanager
    def timed() -> Iterator[None]:
        nonlocal depth
        start, before, depth = time.process_time(), traces.operations, depth + 1
        try:
            yield
        finally:
            depth -= 1
            if depth == 0 and traces.operations > before:
                traces.seconds += time.process_time() - start

    def watched_call(self: Function, *arguments: Any, **settings: Any) -> Any:
        with timed():
            return call(self, *arguments, **settings)

    def watched_trace(*arguments: Any, **settings: Any) -> Any:
        with timed():
            graph = trace(*arguments, **settings)
            traces.operations += len(graph.get_operations())
            return graph

    Function.__call__, func_graph.func_graph_from_py_func = watched_call, watched_trace
    try:
        yield traces
    finally:
        Function.__call__, func_graph.func_graph_from_py_func = call, trace
