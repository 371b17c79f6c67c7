"""The options of an engine: where a command has models made, and the backend of Keras."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kit.types.errors import InputError

if TYPE_CHECKING:
    from kit.engines import Engine


@dataclass(frozen=True)
class EngineOptions:
    """The arguments of `kit.engines.start`, without a name where the kit chooses, and the backend of Keras."""

    name: str | None = None
    workers: int | None = None
    address: str | None = None
    gpus_per_worker: float = 0.0
    backend: str | None = None

    @property
    def engine(self) -> str | None:
        """Name of the engine that the options ask for; None where they ask for none."""
        if self.name is None and (self.address is not None or self.gpus_per_worker):
            return "ray"
        if self.name is None and self.workers is not None:
            return "processes"
        return self.name

    def check(self) -> None:
        """Checks the options before anything heavy is imported."""
        check_backend(self.backend, self.engine)
        if self.engine is not None:
            from kit import engines

            engines.check_options(self.engine, self.workers, self.address, self.gpus_per_worker)

    @contextlib.contextmanager
    def started(self) -> Iterator[Engine | None]:
        """Gives the engine that was asked for, and ends it; None where none was."""
        if self.engine is None:
            yield None
            return
        from kit import engines

        with engines.start(
            self.engine, workers=self.workers, address=self.address, gpus_per_worker=self.gpus_per_worker
        ) as engine:
            yield engine


def check_backend(backend: str | None, engine: str | None = None) -> None:
    """Checks, without importing it, that there is such a backend of Keras here, and that the engine runs on it."""
    if backend not in (None, "tensorflow", "jax"):
        raise InputError(f"There is no backend '{backend}'. Expected 'tensorflow' or 'jax'. Correct the name.")
    if backend is not None and importlib.util.find_spec(backend) is None:
        raise InputError(
            f"The backend '{backend}' was asked for, which is not installed. Expected its package. Run 'python -m pip "
            f"install {backend}', or leave --backend out."
        )
    if backend == "tensorflow" and engine == "stacked":
        raise InputError(
            "The engine 'stacked' was asked for with the backend 'tensorflow'. Expected 'jax', on which it makes many "
            "models at once. Leave out one of the two options."
        )
