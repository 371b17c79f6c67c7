"""The models of a population themselves, rather than what they say: made on any engine, given in their order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from kit.engines import Engine
from kit.machine.quiet import Sealed, run_sealed, run_sealed_together
from kit.runs.order import Maker, Order, with_measured_limits

if TYPE_CHECKING:
    from kit.runs.run import Made
    from kit.runs.worker import Worker


class WeightsMaker:
    """Makes the models of an order where an engine runs: a payload for `Engine.map`."""

    def __init__(self, order: Order, get_worker: Callable[[], Worker] | None = None) -> None:
        """Takes the arguments of a `Maker`."""
        self._maker = Maker(order, get_worker)

    def run(self, number: int) -> Made:
        """Makes one model, of which nothing is stored.

        Args:
            number: of the run, from 0.

        Returns:
            See `Maker.make`.
        """
        return self._maker.make(number)

    def run_together(self, numbers: Sequence[int]) -> list[Made]:
        """Makes several models at once.

        Args:
            numbers: of the runs.

        Returns:
            See `Maker.make_together`.
        """
        return self._maker.make_together(numbers)

    def close(self) -> None:
        """Ends the processes of contained runs."""
        self._maker.close()


def models_in_order(
    order: Order, numbers: Sequence[int], engine: Engine, get_worker: Callable[[], Worker] | None = None
) -> Generator[Made]:
    """Gives the models of these runs one after another, whichever is finished first.

    A model that is finished before its turn waits in memory: about as many as the engine has workers. Those that wait
    when the iterator is closed are lost, and made again to the same bits when they are asked for again.

    Args:
        order: see `kit.runs.population.order_of`.
        numbers: of the runs, in the order in which they are wanted.
        engine: where they are made.
        get_worker: gives the models of this process, for the engine `serial`.

    Raises:
        FailedRun: the method broke its contract, or a worker died again and again.
    """
    maker = WeightsMaker(with_measured_limits(order), get_worker if engine.name == "serial" else None)
    function: Callable[[Any, Any], Any] = WeightsMaker.run
    payload: WeightsMaker | Sealed = maker
    if engine.name != "serial":
        function, payload = run_sealed_together if engine.together else run_sealed, Sealed.of(maker)
    waiting: dict[int, Made] = {}
    due = iter(numbers)
    number = next(due, None)
    with contextlib.closing(maker), contextlib.closing(engine.map(function, payload, numbers)) as finished:
        for finished_number, model in finished:
            waiting[finished_number] = model
            while number in waiting:
                yield waiting.pop(number)
                number = next(due, None)
