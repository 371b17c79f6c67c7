"""Contained runs that other processes make, forked as those of a test are (`guests`): of workers, and of commands.

A process that was itself forked asks for its guests where the test asks for them: of the one that has the libraries.
Tests of what a contained run gives, wherever it is made; those of how it starts and dies begin real ones.
"""

from __future__ import annotations

import functools
import multiprocessing.forkserver
import runpy
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import guests
import processes
import pytest


def fork_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the workers of the engine `processes` forked, and their contained runs."""
    from kit.engines import processes as engine

    if sys.platform == "linux":
        monkeypatch.setattr(engine, "get_context", lambda _: SimpleNamespace(Process=_worker))


def run(
    target: str, *arguments: str | Path, folder: Path, env: Mapping[str, str], seconds: float = 300.0
) -> processes.Finished:
    """Runs a module to its end as `processes.run` does, and has its contained runs forked."""
    address, name = _where()
    return processes.run(__name__, address, name, target, *arguments, folder=folder, env=env, seconds=seconds)


def _where() -> tuple[str, str]:
    """Returns the socket at which processes are asked for, and the name by which guests of this test are known."""
    processes.forkserver()
    return str(multiprocessing.forkserver._forkserver._forkserver_address), guests._NAME


def _ask(address: str, name: str) -> None:
    """Has the contained runs of this process, which was forked from the one with the libraries, forked there too."""
    server = multiprocessing.forkserver._forkserver
    server._forkserver_address, guests._NAME = address, name
    multiprocessing.forkserver.ensure_running = server.ensure_running = lambda: None
    guests.fork_them(pytest.MonkeyPatch())


def _worker(
    target: Callable[..., None], args: tuple[Any, ...], env: Mapping[str, str]
) -> multiprocessing.process.BaseProcess:
    return processes._worker(functools.partial(_serve, *_where(), target), args, env)


def _serve(address: str, name: str, serve: Callable[..., None], *args: Any) -> None:
    """Runs in a forked worker."""
    _ask(address, name)
    serve(*args)


def _main() -> None:
    address, name, target = sys.argv[1:4]
    _ask(address, name)
    sys.argv = sys.argv[3:]
    runpy.run_module(target, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
