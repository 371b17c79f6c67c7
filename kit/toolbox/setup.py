"""The process as the kit wants it: what the bits of a trained model depend on besides its seed."""

from __future__ import annotations

from kit.toolbox import _backend

prepare = _backend.setup.prepare
keep_compiled = _backend.setup.keep_compiled
compiled_anew = _backend.setup.compiled_anew
multiply_in_tf32 = _backend.setup.multiply_in_tf32
warm_up = _backend.setup.warm_up
has_accelerator = _backend.setup.has_accelerator
runs_eagerly = _backend.setup.runs_eagerly
run_eagerly = _backend.setup.run_eagerly
