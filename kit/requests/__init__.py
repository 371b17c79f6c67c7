"""A request to forget, end to end: a user's model, its data and records in; the unlearned model and its evidence out.

What may come in here: what belongs to one request (checks, the choice of a method, findings, delivery, evidence). How
models are made is the business of `kit.runs`, how they are scored that of `kit.scorers`.

Decisions:

- The delivered model is the user's own: its description is copied, and only weights are replaced (`delivery`).
- A method is chosen on other examples, from a model that never learnt the records (`rehearsal`): else the choice would
  be fitted to the records, and would have to be forgotten too.
- A request may name a single record, which no attack can be made of. So the unlearned model is held against as many
  models that were trained without the records, and against others that were trained with them (`findings`).
- Where the recipe does not give models like the original, nothing that is said about forgetting can be relied on. That
  is tested, and said first.
- Nothing is written before everything is computed, and then all of it or nothing (`publishing`). What models said by
  then, records included, and the models that stand in for the original in rehearsals are kept in the kit's cache until
  the model is delivered, so that a request goes on where it was interrupted, and are deleted then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.requests.outcome import AUTO, Effort, Outcome, carry_out, kept_at
from kit.requests.publishing import publish, publish_evidence
from kit.requests.rehearsal import Plan
from kit.requests.request import DeletionRequest, prepare
from kit.storage import files
from kit.submission.entry import Identifier
from kit.types import Arrays, DataColumns, ModelOptions, Recipe, Table, Task

if TYPE_CHECKING:
    import keras
    import numpy as np
    import pandas as pd
    import tensorflow as tf

__all__ = [
    "AUTO",
    "DeletionRequest",
    "Effort",
    "Outcome",
    "Plan",
    "carry_out",
    "kept_at",
    "prepare",
    "publish",
    "unlearn_model",
]


def unlearn_model(
    model: keras.Model | str | Path,
    data: Arrays | Table | pd.DataFrame | tf.data.Dataset | str | Path,
    forget: str | Path | Sequence[int] | np.ndarray,
    *,
    columns: DataColumns | str | None = None,
    partition: np.ndarray | None = None,
    method: Identifier = AUTO,
    recipe: Recipe | str | Path | None = None,
    batch_size: int | None = None,
    id_column: str | None = None,
    task: Task | str | None = None,
    custom_objects: str | Path | None = None,
    builder: str | None = None,
    retrain: Callable[..., Any] | str | None = None,
    output_name: str | None = None,
    effort: Effort = Effort(),
    candidates: Sequence[Identifier] | None = None,
    evidence: str | Path | None = None,
    announce: Callable[[str], None] | None = None,
) -> Outcome:
    """Forgets records of a user's model, and says by comparison with retrained models how well.

    Args:
        model: a trained Keras model, or a `.keras` file; left as it is.
        data: the examples, as `kit.Arrays`, `kit.Table`, a pandas DataFrame, or a `tf.data.Dataset` of (x, y) in a
            fixed order, which is read into memory; or a file as for `kit.load_challenge`, with a `partition`.
        forget: the records: row numbers of the whole data set, a file of them, or another form (see `kit.make_split`).
        columns: of a DataFrame: which column is what (`kit.DataColumns`), or the name of the label's; by default what
            the recipe's file says under `[data]`.
        partition: integers (n,): 0 for the examples that the model was trained on, 1 for validation, 2 for test. By
            default that of the file; one of both must be there.
        method: a name, a function, the path of a file; or `auto`, which tries methods on other examples first.
        recipe: how the model was trained, as `kit.Recipe` or a TOML file: reference models are retrained so. Under
            `[data]`, `slices` of the file names columns by whose values harm is looked for, besides classes.
        batch_size: examples a batch; by default that of the TOML file, else 64.
        id_column, task, custom_objects, builder: as for `kit.load_challenge` and `kit.make_challenge`.
        retrain: how the model is trained, as a function of yours, or `FILE.py:function`: all models that are retrained
            are then trained by it, and not by the recipe. It is called as `train(model, x, y, validation_data=(x, y))`
            with a copy of the model, whose weights are drawn anew (frozen and adapted layers keep theirs), and which is
            compiled where the model is one in memory, and with `sample_weight` where the data have weights; it returns
            the trained model. x is what the model is called with, y as in the data, texts by their places among the
            classes; of all outputs, the labels of each as `fit` takes them, in a list or dictionary as the model's.
        output_name: of a functional model with several outputs, the one that the labels are for, by the layer that
            gives it or its key: the request is about this output. The others stay in the model; those that share
            trained layers with it change too, and are not trained (the evidence names them). Or `all`: the loss is then
            the sum of the outputs' losses by the `loss_weights` that the model was compiled with, an example is right
            where it is in all outputs, and the labels are `y_NAME` of an `.npz` file, columns of a table that are
            called as the outputs, a dictionary or a tuple y of a `tf.data.Dataset`, or (n, columns) with those of each
            output side by side, in the order of the outputs.
        effort: how many models are trained for comparison, see `kit.requests.Effort`.
        candidates: with `auto`, the methods to try; by default all of the kit that can start from a finished model and
            cost less than a retraining.
        evidence: a folder to write (`kit.requests.evidence`), new or empty.
        announce: is told what is being done, a line at a time.

    Returns:
        `Outcome`, whose `model` is the unlearned one, and whose `verdict` one of `forgotten` (no longer told from
        retrained models, as the original was), `cannot tell` (nor was the original), `remembered`, `over-forgotten`,
        and `doubtful reference` (the recipe does not give models like yours).

    Raises:
        InputError: see `kit.requests.prepare`; a model that knows no more of the data than chance; a method that cannot
            start from a finished model.
        FailedRun: the method that was named broke its contract.

    Example:
        >>> import keras, kit, numpy
        >>> x = numpy.random.default_rng(0).normal(size=(120, 4)).astype("float32")
        >>> y = (x[:, 0] > 0).astype("int32")
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
        >>> model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        >>> history = model.fit(x, y, epochs=5, verbose=0)
        >>> outcome = kit.unlearn_model(
        ...     model, kit.Arrays(x, y), [3, 7], partition=numpy.arange(120) // 80 + numpy.arange(120) // 100,
        ...     method="finetune", recipe=kit.Recipe(epochs=5), effort=kit.requests.Effort(retrained=3))
        >>> type(outcome.model) is type(model), outcome.model.get_config() == model.get_config()
        (True, True)
    """
    announce = announce or (lambda _: None)
    if evidence is not None:
        files.require_free(Path(evidence), "evidence")
    request = prepare(
        model,
        data,
        forget,
        ModelOptions(recipe, id_column, task, custom_objects, builder, retrain, columns=columns, output=output_name),
        partition=partition,
        batch_size=batch_size,
        announce=announce,
    )
    outcome = carry_out(request, method, effort, candidates=candidates, announce=announce)
    if evidence is not None:
        publish_evidence(outcome, Path(evidence))
    return outcome
