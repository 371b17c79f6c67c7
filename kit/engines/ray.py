"""The engine `ray`: for a population that has outgrown one machine. Ray is imported here only.

Plain tasks rather than actors: Ray then moves them away from lost nodes and onto new ones by itself. Results stream to
the driver, so that a cluster that is lost in the middle costs no more than what ran at that moment.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import os
import re
import site
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import kit
from kit.engines.engine import Engine, P, R
from kit.engines.worker import attempt, lost_task, unpack, usable_cores, worker_variables
from kit.types import FailedRun, InputError

_RETRIES = 10  # of one task; nodes that are taken away count too, and a long population may see a few
_CONNECT_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 2.0
# Read by Ray as it is imported or started. It would send a report on its use; print a paragraph to the output, where
# --json may write to, for each process that it starts again; and warn about graphics cards in processes without any.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class Ray(Engine):
    """Tasks on a Ray cluster, or on a Ray of this machine. One that the driver started already is used, and left."""

    name, shares_disk = "ray", False

    def __init__(self, workers: int | None, address: str | None, gpus_per_worker: float) -> None:
        """Connects; `workers` is the number of CPUs of a local Ray, and the most tasks at a time on a cluster.

        Raises:
            InputError: Ray is not installed, cannot be reached, or has not the CPUs or GPUs that are asked for.
        """
        self._ray = _import_ray()
        self._gpus, self._limit = gpus_per_worker, workers
        self._owns = not self._ray.is_initialized()
        if self._owns:
            self._connect(workers, address)
        try:
            self._check_resources()
        except InputError:
            self.close()
            raise

    @property
    def workers(self) -> int:  # type: ignore[override]  # nodes come and go
        """How many tasks the cluster runs at a time, as it is now."""
        resources = self._ray.cluster_resources()
        slots = resources.get("CPU", 0.0)
        if self._gpus:
            slots = min(slots, resources.get("GPU", 0.0) / self._gpus)
        return int(slots if self._limit is None else min(slots, self._limit))

    def _connect(self, workers: int | None, address: str | None) -> None:
        quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
        if address is not None:
            _require_cluster(address)
        try:
            if address is None:
                cores = workers or usable_cores()
                self._ray.init("local", num_cpus=cores, include_dashboard=False, **quiet)
            else:
                self._ray.init(address, **quiet)
        except Exception as error:  # of many kinds: another version of Ray or Python, no session, a time limit
            raise _no_cluster(address or "local", str(error)) from error

    def _check_resources(self) -> None:
        if self.workers >= 1:
            return
        needed = f"1 CPU and {self._gpus} graphics cards" if self._gpus else "1 CPU"
        raise InputError(
            f"No node of the Ray cluster has room for a task: there are {_described(self._ray.cluster_resources())}. "
            f"Expected at least {needed}. Add a node with 'ray start --address=HEAD:6379', or look at 'ray status'."
        )

    def map(self, function: Callable[[P, int], R], payload: P, tasks: Sequence[int]) -> Generator[tuple[int, R]]:
        """See `Engine.map`."""
        ray = self._ray
        shipped, key = ray.put((function, payload)), uuid.uuid4().hex
        remote = ray.remote(_attempt_there).options(
            num_cpus=1,
            num_gpus=self._gpus,
            max_retries=_RETRIES,
            retry_exceptions=False,
            # A task without a share of a card must not see one: all of a node's tasks would meet on the first.
            runtime_env={"env_vars": _variables() | ({} if self._gpus else {"CUDA_VISIBLE_DEVICES": ""})},
        )
        waiting, running, room, looked = deque(tasks), dict[Any, int](), 0, -_LOOK_AGAIN_SECONDS
        try:
            while waiting or running:
                if time.monotonic() - looked > _LOOK_AGAIN_SECONDS:
                    # Twice the slots, so that no node waits for the driver, and new nodes find something to do.
                    room, looked = self._limit or max(2, 2 * self.workers), time.monotonic()
                while waiting and len(running) < room:
                    task = waiting.popleft()
                    # In a list: as an argument of its own, Ray would read the payload anew for each task.
                    running[remote.remote(key, [shipped], task)] = task
                for reference in ray.wait(list(running), timeout=_LOOK_AGAIN_SECONDS)[0]:
                    task = running.pop(reference)
                    yield task, self._result(reference, task)
        finally:
            for reference in running:
                with contextlib.suppress(Exception):  # the connection may be what was lost
                    ray.cancel(reference, force=True)

    def _result(self, reference: Any, task: int) -> Any:
        errors = self._ray.exceptions
        try:
            return unpack(self._ray.get(reference))
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError) as error:
            raise lost_task(task, _RETRIES + 1, type(error).__name__) from error
        except errors.RayError as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise FailedRun(
                f"Ray could not run task {task}: {reason} Expected each node to have this Python, this Ray and this "
                "version of the kit. Install both there, from the same clone or wheel, and see 'ray status'."
            ) from error

    def close(self) -> None:
        """Ends the connection, and a Ray that was started for it; payloads close with their processes."""
        if self._owns:
            self._owns = False
            self._ray.shutdown()


def _import_ray() -> Any:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise InputError(
            "The engine 'ray' was chosen, and Ray is not installed. Expected the package 'ray'. Install it with "
            "'python -m pip install ray', or choose the engine 'processes'."
        ) from error


def _require_cluster(address: str) -> None:
    """Knocks first: Ray itself goes on trying for minutes where nobody answers."""
    if address == "auto" or os.environ.get("RAY_USE_TLS", "0") not in {"", "0"}:  # Ray finds the one, ciphers the other
        return
    grpc = importlib.import_module("grpc")  # TensorFlow needs it too
    host = address.removeprefix("ray://")
    if not re.fullmatch(r".+:\d+", host):
        raise _no_cluster(address, "the address has no port")
    with grpc.insecure_channel(host, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=_CONNECT_SECONDS)
        except grpc.FutureTimeoutError as error:
            raise _no_cluster(address, f"nothing that Ray could talk to answered in {_CONNECT_SECONDS:g} s") from error


def _no_cluster(address: str, reason: str) -> InputError:
    first = " ".join(reason.split()) or "no reason was given"
    return InputError(
        f"There is no connection to Ray at '{address}': {first.rstrip('.')}. Expected 'auto' on a machine of the "
        "cluster, 'HOST:6379' from there, or 'ray://HOST:10001' from outside, and the same versions of Ray and Python. "
        "Start a cluster with 'ray start --head', or leave the address out to use this machine."
    )


def _described(resources: dict[str, float]) -> str:
    return f"{resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} graphics cards"


def _variables() -> dict[str, str]:
    """Returns the workers' environment; from a checkout they import this kit, where the same path exists."""
    variables = worker_variables()
    folder = str(Path(kit.__file__).resolve().parent.parent)
    if folder in map(os.path.realpath, site.getsitepackages()):
        return variables
    paths = [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
    return variables | {"PYTHONPATH": os.pathsep.join(paths)}


def _attempt_there(key: str, shipped: list[Any], task: int) -> bytes:
    return attempt(key, functools.partial(importlib.import_module("ray").get, shipped[0]), task)
