"""Which engine makes a population where nobody asks for one, and whether one can make what is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from kit import engines
from kit.engines import Engine
from kit.machine import accelerators, environment
from kit.submission.entry import Entry
from kit.types import Challenge, InputError

# Starting two more processes with TensorFlow, or one with JAX, costs as much as training so many small models.
_FEWEST_FOR_PROCESSES = 16


def default_engine(num_models: int, workers: int | None = None, entries: Sequence[Entry] = ()) -> str:
    """Returns the engine that makes a population if nobody asks for one.

    Args:
        num_models: of each method.
        workers: where they are asked for, these are processes.
        entries: the methods; of none, or of any that is not the kit's own or an installed package's, many calls cannot
            share a network.

    Returns:
        `stacked` where it pays, JAX sees an accelerator, all methods can be stacked, and Keras was not given another
        backend by KERAS_BACKEND; else `processes` where that pays, or `serial`, which make the same bits.
    """
    if workers is not None:
        return "processes"
    if num_models < _FEWEST_FOR_PROCESSES:
        return "serial"
    stackable = bool(entries) and all(entry.built_in for entry in entries)
    if stackable and environment.may_be_jax() and accelerators.find() is not None:
        return "stacked"
    return "processes" if engines.usable_cores() > 1 else "serial"


def engine_for(
    entries: Sequence[Entry], engine: str | Engine | None, workers: int | None, num_models: int
) -> str | Engine:
    """Returns the engine that was asked for, or the name of the default for these methods.

    Args:
        entries: the methods.
        engine: what was asked for; None for the default.
        workers: what was asked for; None for the default.
        num_models: of each method, >= 1.
    """
    return engine or default_engine(num_models, workers, entries)


def preferred(entry: Entry, engine: str | Engine | None, workers: int | None) -> str | Engine | None:
    """Returns the engine that was asked for, or `serial` for a user's function, which may be under a debugger.

    Args:
        entry: the method.
        engine, workers: what was asked for; if either was, nothing is preferred.
    """
    return "serial" if engine is None and workers is None and entry.function is not None else engine


def is_stacked(engine: str | Engine | None) -> bool:
    """Returns whether an engine makes many models in one computation, which gives other bits.

    Args:
        engine: an engine, its name, or None.
    """
    return engine.together if isinstance(engine, Engine) else engine == "stacked"


def backend_of(engine: str | Engine) -> str:
    """Returns the Keras backend on which an engine makes models of the kit's own methods.

    Args:
        engine: an engine, or its name.
    """
    return environment.JAX if is_stacked(engine) else environment.backend()


def require_stackable(entries: Sequence[Entry], engine: str | Engine | None) -> None:
    """Checks, before anything is made, that an engine can make models of these methods.

    Args:
        entries: the methods.
        engine: an engine, its name, or None.

    Raises:
        InputError: a user's function or file, of which many calls cannot share one network.
    """
    others = [entry for entry in entries if not entry.built_in]
    if is_stacked(engine) and others:
        raise InputError(
            f"The engine 'stacked' was asked for models of {others[0].described}. Expected methods of the kit or of "
            "an installed package, of which many calls can share one network. Choose the engine 'processes'."
        )


def require_precision(challenge: Challenge, engine: str | Engine) -> None:
    """Checks, before anything is made, that an engine computes in the precision of a challenge.

    Args:
        challenge: whose precision is asked for.
        engine: an engine, or its name.

    Raises:
        InputError: its device does not multiply so.
    """
    precision, on_jax = challenge.precision, is_stacked(engine) or environment.backend() == environment.JAX
    device = accelerators.find() if on_jax else None
    if precision == "float32":
        return
    if device is None and (precision == "bfloat16" or (precision == "float16" and on_jax)):
        return  # which a processor can, if slowly
    if precision == "float16" and not on_jax:
        raise InputError(
            "The precision 'float16' was asked for on TensorFlow, where the kit scales no loss, so that small "
            "gradients would be 0. Expected JAX. Use the engine 'stacked', or leave out --precision."
        )
    if device is None:
        where = "a processor, which rounds no factors" if on_jax else "TensorFlow, where that is the whole process's"
        raise InputError(
            f"The precision 'tf32' was asked for on {where}. Expected JAX and an NVIDIA card of the Ampere generation "
            "or a later one ('kit doctor' says what there is). Leave out --precision, or use the engine 'stacked'."
        )
    if not device.multiplies_in(precision):
        quicker = [name for name in ("bfloat16", "float16") if device.multiplies_in(name)]
        raise InputError(
            f"The precision '{precision}' was asked for on '{device.kind}', which has no units for such products: they "
            "would take as long as in float32, or longer, and be less exact. Expected "
            f"{''.join(f'{name} or ' for name in quicker[:1])}float32. Leave out --precision."
        )


def bits_of(engine: str | Engine) -> dict[str, str]:
    """Returns what an engine's bits depend on, for the record.

    Args:
        engine: an engine, or its name.

    Returns:
        Engine, backend and device; empty for engines whose bits are those of one run at a time.
    """
    if not is_stacked(engine):
        return {}
    return {"engine": "stacked", "backend": environment.JAX, "device": accelerators.described()}
