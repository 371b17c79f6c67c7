"""What the columns of a user's table are, as plain data: `kit.challenges.frames` reads tables by it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataColumns:
    """Which column of a table is what: the lines under `[data]` in a recipe, or what a DataFrame is handed over with.

    Args:
        label: the column of the labels; empty where the file is no table. Of a model with several outputs, a column for
            each, called as the output is.
        id: a column by which a file of requests names examples.
        group: who an example belongs to.
        partition: 0 or `train`, 1 or `validation`, 2 or `test`.
        sample_weight: what the loss of an example is multiplied by in training.
        slices: columns of few values, or of numbers, by which `kit unlearn` looks for harm (`kit.requests.slices`).
        features: what the model takes, in the order of its input; by default all other columns.
        classes: the labels in the order of the model's outputs; by default sorted.
        task: what the labels are (`kit.tasks.NAMES`); by default what the model's loss says.
        pixel_range: of a folder of images, two numbers to which 0 to 255 are stretched, as the model was given them; by
            default they are left as they are, as Keras reads them.
        output: of a model with several outputs, the name of the one that the labels are for.

    Example:
        >>> DataColumns("income", features=("age", "job")).features
        ('age', 'job')
    """

    label: str | tuple[str, ...] = ""
    id: str = ""
    group: str = ""
    partition: str = ""
    sample_weight: str = ""
    slices: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    task: str = ""
    pixel_range: tuple[float, ...] = ()
    output: str = ""

    def __post_init__(self) -> None:
        for name in ("slices", "features", "classes", "pixel_range"):  # lists, in TOML and in Python
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not isinstance(self.label, str):
            object.__setattr__(self, "label", tuple(self.label))

    @property
    def labels(self) -> tuple[str, ...]:
        """The columns of the labels, none where there are no such.

        Example:
            >>> DataColumns("income").labels, DataColumns(["income", "age"]).labels, DataColumns().labels
            (('income',), ('income', 'age'), ())
        """
        if isinstance(self.label, str):
            return (self.label,) if self.label else ()
        return self.label
