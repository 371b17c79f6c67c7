"""How a model is trained. NumPy is imported where rates are computed: a recipe is plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal

from kit.types.errors import InputError
from kit.types.start_weights import StartWeights

if TYPE_CHECKING:
    import numpy as np


# Beyond, a rate is none in float32; TOML has integers of any length.
_LARGEST, _MOST_EPOCHS = 3e38, 2**31
_STEP_FACTOR = 0.1
SCHEDULES = ("cosine", "constant", "step", "listed")
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: by default, stochastic gradient descent, with PyTorch's SGD as convention.

    Of a training in several phases (a frozen base first, then fine-tuning, say), the fields are those of the last
    phase, so that what goes by a learning rate goes by the last one.

    Args:
        epochs: passes over the data, >= 0.
        learning_rate: at the first epoch, > 0.
        momentum: of `sgd` and `rmsprop`, in [0, 1); the buffer holds gradients, the learning rate is applied outside.
        weight_decay: >= 0, coupled: `weight_decay * weight` is added to the gradient of every trainable variable. With
            `adamw` it is decoupled.
        schedule: `cosine` (stepped at each epoch, towards 0, as in the 2023 kit), `constant`, `step` or `listed`.
        augmentation: `none`, or `crop_and_flip` (`kit.toolbox.augmentation`).
        optimizer: `sgd`, `adam`, `adamw` or `rmsprop` (`kit.toolbox.optimizers`); their learning rates differ by a
            factor of a hundred: of Adam, 0.001 is usual.
        clipnorm, clipvalue, global_clipnorm: one of them, > 0, as Keras's optimisers have them: the largest norm of a
            weight array's gradient, the largest size of its entries, or the largest norm of all gradients together.
        milestones: with `step`, the epochs, counted from 0, from which on the rate is multiplied by `step_factor`.
        step_factor: with `step`, > 0; by default 0.1.
        rates: with `listed`, the rate of each epoch, > 0: of a schedule that followed a plateau, say, as it was.
        trainable: names of the layers that are trained, a nested model's (`base`) for all of its layers, or a path
            (`base/conv1`) for one of them; by default all that are not frozen in the model.
        frozen: names of layers that are not trained, where all others are: not beside `trainable`.
        earlier: the phases before this one, in their order: recipes without earlier ones. Each begins with an
            optimiser of its own, as `compile` makes one.
        start: the weights that a training starts from; by default they are drawn.

    Raises:
        InputError: a value outside its range, or a setting that does not belong to the schedule.

    Example:
        >>> step = Recipe(epochs=4, learning_rate=1.0, schedule="step", milestones=(1, 3))
        >>> [round(float(rate), 3) for rate in step.learning_rates()]
        [1.0, 0.1, 0.1, 0.01]
        >>> [round(float(rate), 3) for rate in Recipe(epochs=4, learning_rate=0.1).learning_rates()]
        [0.1, 0.085, 0.05, 0.015]
    """

    epochs: int = 30
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Literal["cosine", "constant", "step", "listed"] = "cosine"
    augmentation: Literal["none", "crop_and_flip"] = "none"
    # Digests of before there was another one name none (`kit.storage.digests`).
    optimizer: Literal["sgd", "adam", "adamw", "rmsprop"] = field(default="sgd", metadata={"absent": "sgd"})

    clipnorm: float | None = field(default=None, metadata={"absent": None})
    clipvalue: float | None = field(default=None, metadata={"absent": None})
    global_clipnorm: float | None = field(default=None, metadata={"absent": None})
    milestones: tuple[int, ...] | None = field(default=None, metadata={"absent": None})
    step_factor: float | None = field(default=None, metadata={"absent": None})
    rates: tuple[float, ...] | None = field(default=None, metadata={"absent": None})
    trainable: tuple[str, ...] | None = field(default=None, metadata={"absent": None})
    frozen: tuple[str, ...] | None = field(default=None, metadata={"absent": None})
    earlier: tuple[Recipe, ...] | None = field(default=None, metadata={"absent": None})
    start: StartWeights | None = field(default=None, metadata={"absent": None})

    def __post_init__(self) -> None:
        for name in ("milestones", "rates", "trainable", "frozen", "earlier"):  # lists, in TOML and JSON
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if isinstance(self.earlier, tuple):
            phases = (Recipe(**phase) if isinstance(phase, Mapping) else phase for phase in self.earlier)
            object.__setattr__(self, "earlier", tuple(phases) or None)
        if isinstance(self.start, Mapping):
            object.__setattr__(self, "start", StartWeights(**self.start))
        self._check_phases()
        if not self._is_sound():
            raise InputError(
                f"{self!s:.400} cannot be trained with. Expected whole epochs >= 0, learning_rate > 0, momentum in "
                "[0, 1), weight_decay >= 0, schedule 'cosine', 'constant', 'step' or 'listed', augmentation 'none' or "
                f"'crop_and_flip' and optimizer {', '.join(OPTIMIZERS[:-1])} or {OPTIMIZERS[-1]}. Correct the value "
                "that is outside."
            )
        if not self._is_sound_schedule():
            raise InputError(
                f"The schedule '{self.schedule}' has milestones = {self.milestones!s:.80}, step_factor = "
                f"{self.step_factor} and rates = {self.rates!s:.80}, for {self.epochs} epochs. Expected for 'step' "
                "milestones, whole numbers that rise, and a step_factor > 0 (0.1 by default); for 'listed' a rate > 0 "
                "for each epoch; and none of them for another schedule. Correct the schedule, or these."
            )
        clips = [clip for clip in (self.clipnorm, self.clipvalue, self.global_clipnorm) if clip is not None]
        if len(clips) > 1 or not all(_is_positive(clip) for clip in clips):
            raise InputError(
                f"Gradients are clipped by clipnorm = {self.clipnorm}, clipvalue = {self.clipvalue} and "
                f"global_clipnorm = {self.global_clipnorm}. Expected one of them at most, a number > 0. Leave out the "
                "others."
            )

    def _check_phases(self) -> None:
        names = [layers for layers in (self.trainable, self.frozen) if layers is not None]
        sound = all(isinstance(layers, tuple) and all(isinstance(name, str) for name in layers) for layers in names)
        if not sound or len(names) > 1:
            raise InputError(
                f"A phase of the training has trainable = {self.trainable!s:.80} and frozen = {self.frozen!s:.80}. "
                "Expected one list of names of layers at most: those that are trained, or those that are not. Leave "
                "out the other."
            )
        earlier = () if self.earlier is None else self.earlier
        nested = not isinstance(earlier, tuple) or not all(isinstance(phase, Recipe) for phase in earlier)
        if (
            nested
            or any(phase.earlier or phase.start for phase in earlier)
            or not isinstance(self.start, StartWeights | None)
        ):
            raise InputError(
                f"The recipe has earlier = {self.earlier!s:.120} and start = {self.start!s:.80}. Expected as earlier "
                "phases kit.Recipes that have none themselves, and a kit.StartWeights for all phases together. Put "
                "the phases into one list, and 'start' beside it."
            )

    def __repr__(self) -> str:
        return f"Recipe({', '.join(f'{name}={value!r}' for name, value in self.settings().items())})"

    def _is_sound(self) -> bool:
        numbers = [self.epochs, self.learning_rate, self.momentum, self.weight_decay]
        sound = all(isinstance(number, Real) and not isinstance(number, bool) for number in numbers)
        sound = sound and isinstance(self.epochs, Integral) and 0 <= self.epochs < _MOST_EPOCHS
        sound = (
            sound and 0 < self.learning_rate < _LARGEST and 0 <= self.weight_decay < _LARGEST and 0 <= self.momentum < 1
        )
        sound = sound and self.schedule in SCHEDULES and self.augmentation in ("none", "crop_and_flip")
        return sound and self.optimizer in OPTIMIZERS

    def _is_sound_schedule(self) -> bool:
        milestones, rates, factor = self.milestones, self.rates, self.step_factor
        if self.schedule == "step":
            whole = milestones is not None and all(type(epoch) is int and epoch >= 0 for epoch in milestones)
            rising = whole and list(milestones or ()) == sorted({*(milestones or ())})
            return rising and rates is None and (factor is None or _is_positive(factor))
        if milestones is not None or factor is not None:
            return False
        if self.schedule == "listed":
            return rates is not None and len(rates) == self.epochs and all(map(_is_positive, rates))
        return rates is None

    def settings(self) -> dict[str, Any]:
        """Returns the fields by name, as plain data, without those that are not set: what reports record.

        Example:
            >>> sorted(Recipe(clipnorm=1.0).settings().keys() - Recipe().settings().keys())
            ['clipnorm']
        """
        plain: dict[str, Any] = _plain(self)
        return plain

    @property
    def phases(self) -> tuple[Recipe, ...]:
        """The phases in their order, each as a recipe of its own; of a training in one, this one.

        Example:
            >>> recipe = Recipe(epochs=3, learning_rate=0.001, earlier=(Recipe(epochs=5, frozen=("base",)),))
            >>> [phase.epochs for phase in recipe.phases], recipe.total_epochs
            ([5, 3], 8)
        """
        if self.earlier is None and self.start is None:
            return (self,)
        return (*(self.earlier or ()), replace(self, earlier=None, start=None))

    @property
    def total_epochs(self) -> int:
        """The epochs of all phases."""
        return sum(phase.epochs for phase in self.phases)

    def learning_rates(self) -> np.ndarray:
        """Returns the float32 learning rate of each epoch, of shape (epochs,)."""
        import numpy as np

        if self.schedule == "listed":
            return np.array(self.rates, np.float32)
        numbers, factor = np.arange(self.epochs), np.ones(self.epochs)
        if self.schedule == "cosine":
            factor = 0.5 * (1 + np.cos(np.pi * (numbers / max(self.epochs, 1))))
        elif self.schedule == "step":
            passed = np.searchsorted(np.array(self.milestones, np.int64), numbers, side="right")
            factor = (_STEP_FACTOR if self.step_factor is None else self.step_factor) ** passed.astype(float)
        rates: np.ndarray = (self.learning_rate * factor).astype(np.float32)
        return rates


def _is_positive(number: Any) -> bool:
    is_number = isinstance(number, Real) and not isinstance(number, bool)
    return is_number and bool(0 < number < _LARGEST)


def _plain(value: Any) -> Any:
    """Returns recipes and what is in them as plain data, without what is not used."""
    if isinstance(value, Recipe | StartWeights):
        named = {each.name: getattr(value, each.name) for each in fields(value)}
        unused = (None,) if isinstance(value, Recipe) else ("", ())
        return {name: _plain(part) for name, part in named.items() if part not in unused}
    if isinstance(value, tuple) and any(isinstance(part, Recipe) for part in value):
        return [_plain(part) for part in value]
    return list(value) if isinstance(value, tuple) and value and isinstance(value[0], str) else value
