"""The process as the kit wants it: what the bits of a trained model depend on besides its seed."""

from __future__ import annotations

from kit.toolbox import _backend

prepare = _backend.setup.prepare
keep_compiled = _backend.setup.keep_compiled
compiled_anew = _backend.setup.compiled_anew
multiply_in_tf32 = _backend.setup.multiply_in_tf32
has_accelerator = _backend.setup.has_accelerator
runs_eagerly = _backend.setup.runs_eagerly
run_eagerly = _backend.setup.run_eagerly


def warm_up() -> None:
    """Fits a tiny model in plain Keras, once a process: no measured call pays for what Keras loads at first use."""
    _backend.setup.warm_up()
