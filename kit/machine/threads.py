"""How many threads train one model: part of what its bits depend on, so it is fixed before TensorFlow starts."""

from __future__ import annotations

import os
import sys

VARIABLE = "KIT_THREADS"


def number() -> int:
    """Returns how many threads an operation may use: `$KIT_THREADS`, by default 1.

    One is what populations want: as many workers as cores fill the machine anyway. Two or more pay for one large
    model on a machine with nothing else to do.

    Raises:
        InputError: the variable is no whole number from 1 on.
    """
    text = os.environ.get(VARIABLE, "1")
    if not text.isdecimal() or int(text) < 1:
        from kit.types import InputError  # which loads NumPy; 'import kit' alone does not

        raise InputError(
            f"The environment variable {VARIABLE} is '{text}'. Expected a whole number, 1 or more. Correct it, or "
            "leave it out for 1."
        )
    return int(text)


def variables() -> dict[str, str]:
    """Returns what makes TensorFlow use `number()` threads in a process that starts with it in its environment."""
    return {"TF_NUM_INTRAOP_THREADS": str(number()), "TF_NUM_INTEROP_THREADS": "1"}


def are_set() -> bool:
    """Returns whether TensorFlow has, or will have, `number()` threads: not where it computed before the kit came."""
    return all(os.environ.get(name) == value for name, value in variables().items())


def recorded() -> str:
    """Returns what reports say of the threads: their number, or that the kit has not set it."""
    return str(number()) if are_set() else "not set by the kit"


def use(threads: int) -> None:
    """Makes this process, and those that it starts, compute a model with some number of threads.

    Args:
        threads: >= 1; to be set before TensorFlow computes, and above 1 results differ in their last bits.
    """
    os.environ[VARIABLE] = str(threads)
    ask_tensorflow()


def ask_tensorflow() -> None:
    """Makes TensorFlow use `number()` threads, whether it is imported already or not.

    TensorFlow reads the environment at its first operation. Once it computes, the number is fixed:
    `kit.toolbox.setup.prepare` then warns that models cannot be repeated to the bit, and reports say so.
    """
    try:
        if "tensorflow" in sys.modules:
            sys.modules["tensorflow"].config.threading.set_intra_op_parallelism_threads(number())
        os.environ.update(variables())
    except RuntimeError:  # it computes already, with a number of threads that can no longer be told
        return
    except ValueError:  # the variable makes no sense, which is said when it matters
        return
