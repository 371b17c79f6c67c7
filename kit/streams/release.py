"""When answers leave: at once, or at ticks of a clock that stands still in between, so that time tells less.

A batch's ticks are counted from when it was begun. What is signed and dated while the work goes on has the last tick's
time, and the requests are settled at the next one: who sees requests, evidence or log sees how many ticks passed, which
is one where a tick is longer than the longest work. Who sees the processor's load sees more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from kit.types import InputError

_LONGEST_NAP = 60.0


@dataclass(frozen=True)
class Ticks:
    """Ticks of so many seconds; of 0, answers leave at once.

    Args:
        seconds: from one tick to the next.
        sleep: waits so many seconds.

    Example:
        >>> Ticks(10).last(begun=100, now=129), Ticks(10).following(begun=100, now=129), Ticks(10).following(100, 100)
        (120, 130, 110)
        >>> Ticks().last(100, 129), Ticks().following(100, 129)
        (129, 129.0)
    """

    seconds: float = 0.0
    sleep: Callable[[float], None] = time.sleep

    def check(self) -> None:
        """Checks the seconds.

        Raises:
            InputError: they are no number, or below 0.
        """
        if not 0 <= self.seconds < math.inf:
            raise InputError(
                f"Answers were to leave at ticks of {self.seconds} seconds. Expected a number, 0 or more: twice as "
                "long as the longest batch takes, say. Correct --padded."
            )

    def last(self, begun: float, now: float) -> float:
        """Returns the time of the last tick.

        Args:
            begun: when the batch was, UTC seconds.
            now: UTC seconds, not before that.
        """
        return begun + (now - begun) // self.seconds * self.seconds if self.seconds else now

    def following(self, begun: float, now: float) -> float:
        """Returns the time of the next tick, after `now`.

        Args:
            begun: when the batch was, UTC seconds.
            now: UTC seconds, not before that.
        """
        return self.last(begun, now) + self.seconds

    def wait(self, begun: float, clock: Callable[[], float]) -> None:
        """Waits for the tick after now, in naps, by a clock that may be set meanwhile.

        Args:
            begun: when the batch was.
            clock: tells the same time.
        """
        until = self.following(begun, clock())
        while (left := until - clock()) > 0:
            self.sleep(min(left, _LONGEST_NAP))


AT_ONCE = Ticks()
