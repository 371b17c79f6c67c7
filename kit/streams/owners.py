"""Who has a lease: a process by its machine, number and beginning, so that another can tell whether it still runs."""

from __future__ import annotations

import os
import socket

import psutil

# Of a process's beginning, which systems round in their own ways.
_SECONDS = 1.0


def this_process() -> str:
    """Returns the owner's name that leases of this process have."""
    return f"{socket.gethostname()}/{os.getpid()}/{psutil.Process().create_time():.2f}"


def may_be_alive(owner: str) -> bool:
    """Returns whether an owner may still run; False only of a process of this machine that has ended.

    Args:
        owner: as `this_process` returns it.

    Example:
        >>> may_be_alive(this_process()), may_be_alive(f"{socket.gethostname()}/{os.getpid()}/1.00")
        (True, False)
        >>> may_be_alive("another-machine/1/1.00")
        True
    """
    host, _, rest = owner.rpartition("/")[0].rpartition("/")
    began = owner.rpartition("/")[2]
    if host != socket.gethostname():
        return True
    try:
        process = psutil.Process(int(rest))
        running = process.status() != psutil.STATUS_ZOMBIE
        return bool(running and abs(process.create_time() - float(began)) < _SECONDS)
    except (psutil.NoSuchProcess, ValueError):
        return False
    except psutil.Error:
        return True
