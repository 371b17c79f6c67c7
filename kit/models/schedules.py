"""Keras's schedules of the learning rate, which go on from step to step, as the rates of epochs that a recipe lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kit.types import InputError

# Where a schedule has ended in 0, a listed rate is this part of its first: one of 0 is taken for a mistake.
_NOTHING = 1e-9
_Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Schedule:
    """A schedule of `keras.optimizers.schedules`, by its description.

    Args:
        name: of its class.
        settings: that its class is made with.

    Example:
        >>> halving = Schedule("ExponentialDecay", {"initial_learning_rate": 1.0, "decay_steps": 2, "decay_rate": 0.25})
        >>> halving.at(np.array([0, 1, 2])).tolist(), halving.rates(epochs=2, steps=1)
        ([1.0, 0.5, 0.25], (1.0, 0.5))
    """

    name: str
    settings: _Settings

    @property
    def is_known(self) -> bool:
        """Whether it is one of Keras's, with settings that say a rate for each step."""
        try:
            first = self.at(np.arange(2.0))
        except (LookupError, TypeError, ValueError, ArithmeticError):
            return False
        return first.shape == (2,) and bool(np.isfinite(first).all() and (first >= 0).all())

    def at(self, steps: np.ndarray) -> np.ndarray:
        """Returns the rate of each of these steps, which are counted from 0, float64.

        Raises:
            LookupError, TypeError, ValueError: it is none of Keras's, or its settings are not.
        """
        with np.errstate(all="ignore"):  # what is not finite is no schedule
            rates: np.ndarray = np.asarray(_FORMULAS[self.name](self.settings, np.asarray(steps, np.float64)), float)
        return rates

    def rates(self, *, epochs: int, steps: int) -> tuple[float, ...]:
        """Returns the rate of each epoch: the mean of those of its steps, so that all steps together go as far.

        Args:
            epochs: how many.
            steps: of each epoch.

        Raises:
            InputError: rates that nothing can be trained with come in the course of it.
        """
        each = np.array([self.at(np.arange(epoch * steps, (epoch + 1) * steps)).mean() for epoch in range(epochs)])
        if not np.isfinite(each).all() or (each < 0).any() or not (each > 0).any():
            raise InputError(
                f"The model's schedule {self.name} gives rates of {each[:4].tolist()} for {epochs} epochs of {steps} "
                "steps. Expected rates > 0. Say the schedule in the recipe: schedule = 'listed', and rates = [...], "
                "one for each epoch."
            )
        return tuple(float(f"{rate:.7g}") for rate in np.maximum(each, each.max() * _NOTHING))


def _cosine(settings: _Settings, steps: np.ndarray) -> np.ndarray:
    initial, decay, alpha = settings["initial_learning_rate"], settings["decay_steps"], settings.get("alpha", 0.0)
    target, warm_up = settings.get("warmup_target"), settings.get("warmup_steps") or 0
    if target is None:
        target, warm_up = initial, 0
    share = np.clip((steps - warm_up) / decay, 0, 1)
    falling = target * ((1 - alpha) * 0.5 * (1 + np.cos(np.pi * share)) + alpha)
    rising = initial + (target - initial) * steps / (warm_up or 1)
    rates: np.ndarray = np.where(steps < warm_up, rising, falling)
    return rates


def _cosine_restarts(settings: _Settings, steps: np.ndarray) -> np.ndarray:
    initial, alpha = settings["initial_learning_rate"], settings.get("alpha", 0.0)
    longer, lower = settings.get("t_mul", 2.0), settings.get("m_mul", 1.0)
    periods = steps / settings["first_decay_steps"]
    if longer == 1:
        number = np.floor(periods)
        share = periods - number
    else:
        number = np.floor(np.log(1 - periods * (1 - longer)) / np.log(longer))
        share = (periods - (1 - longer**number) / (1 - longer)) / longer**number
    falling: np.ndarray = initial * ((1 - alpha) * 0.5 * lower**number * (1 + np.cos(np.pi * share)) + alpha)
    return falling


def _exponential(settings: _Settings, steps: np.ndarray) -> np.ndarray:
    rates: np.ndarray = settings["initial_learning_rate"] * settings["decay_rate"] ** _periods(settings, steps)
    return rates


def _inverse_time(settings: _Settings, steps: np.ndarray) -> np.ndarray:
    rates: np.ndarray = settings["initial_learning_rate"] / (1 + settings["decay_rate"] * _periods(settings, steps))
    return rates


def _periods(settings: _Settings, steps: np.ndarray) -> np.ndarray:
    periods: np.ndarray = steps / settings["decay_steps"]
    return np.floor(periods) if settings.get("staircase") else periods


def _piecewise(settings: _Settings, steps: np.ndarray) -> np.ndarray:
    values = np.array(settings["values"], np.float64)
    return values[np.searchsorted(np.array(settings["boundaries"], np.float64), steps, side="left")]


def _polynomial(settings: _Settings, steps: np.ndarray) -> np.ndarray:
    initial, end = settings["initial_learning_rate"], settings.get("end_learning_rate", 1e-4)
    decay = np.full(steps.shape, settings["decay_steps"], np.float64)
    if settings.get("cycle"):
        decay *= np.maximum(1, np.ceil(steps / decay))
    share = np.minimum(steps / decay, 1)
    rates: np.ndarray = (initial - end) * (1 - share) ** settings.get("power", 1.0) + end
    return rates


_FORMULAS: Mapping[str, Callable[[_Settings, np.ndarray], np.ndarray]] = {
    "CosineDecay": _cosine,
    "CosineDecayRestarts": _cosine_restarts,
    "ExponentialDecay": _exponential,
    "InverseTimeDecay": _inverse_time,
    "PiecewiseConstantDecay": _piecewise,
    "PolynomialDecay": _polynomial,
}
