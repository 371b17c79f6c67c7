"""What the models of a challenge begin with when they are trained anew, and what each phase of a recipe trains."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kit import models
from kit.machine import quiet
from kit.types import Arrays, Challenge, InputError, Recipe, StartWeights, Table

if TYPE_CHECKING:
    import keras
    import numpy as np

    from kit.models.user import Own


def begun(
    challenge: Challenge,
    start: StartWeights | None,
    model: str | keras.Model | None,
    data: Arrays | Table,
    own: Own | None,
) -> Challenge:
    """Returns the challenge with the weights that a recipe starts from; layers that no phase trains keep theirs.

    A layer that no phase trains has the weights of before the training still, as one that is frozen in the model.

    Args:
        challenge: whose recipe has no `start`.
        start: the file that the recipe names, if it does.
        model: the user's, or a name of the zoo.
        data: the examples as the user's model takes them.
        own: code of the user's.

    Raises:
        InputError: a file that does not fit, or names of layers that the model does not have, or has frozen.
    """
    phases = challenge.recipe.phases
    if start is None and all(phase.trainable is None and phase.frozen is None for phase in phases):
        return challenge
    quiet.load_tensorflow()
    from kit.models import start as start_weights

    architecture = _architecture(challenge)
    arrays = list(_untrained(architecture, phases, challenge.original))
    recipe = challenge.recipe
    if start is not None:
        recipe = replace(recipe, start=start_weights.checked(start))
        if model is None or isinstance(model, str):
            starting = start_weights.arrays_by_variable(architecture, start, data, own)
            given = tuple(starting.get(id(variable)) for variable in architecture.weights)
        else:
            starting = start_weights.arrays_by_variable(model, start, data, own)
            given = start_weights.in_order(model, starting, data, own)
        arrays = [old if new is None else new for new, old in zip(given, arrays, strict=True)]
    kept = tuple(arrays) if any(array is not None for array in arrays) else None
    return replace(challenge, recipe=recipe, start=kept if start is None else tuple(arrays))


def _architecture(challenge: Challenge) -> keras.Model:
    if challenge.model_description:
        return models.build_described(challenge.model_description)
    return models.build(challenge.model, challenge.input_shape, challenge.num_classes)


def _untrained(
    net: keras.Model, phases: tuple[Recipe, ...], original: tuple[np.ndarray, ...] | None
) -> list[np.ndarray | None]:
    """Returns the original's weights of the layers that no phase trains, None for all others."""
    trained = {id(weight) for phase in phases for layer in _trained(net, phase) for weight in layer.weights}
    if original is None:
        return [None] * len(net.weights)
    return [None if id(weight) in trained else array for weight, array in zip(net.weights, original, strict=True)]


def _trained(net: keras.Model, phase: Recipe) -> list[Any]:
    """Returns the layers that a phase trains."""
    from kit.models import named
    from kit.models.copies import leaves

    if phase.trainable is None:
        frozen = {id(layer) for layer in named.layers(net, phase.frozen or ())}
        return [layer for layer in leaves(net) if layer.trainable and id(layer) not in frozen]
    layers = named.layers(net, phase.trainable)
    fixed = [layer.name for layer in layers if layer.weights and not layer.trainable]
    if fixed:
        raise InputError(
            f"A phase of the recipe trains '{fixed[0]}', which is frozen in the model '{net.name}'. Expected a layer "
            "whose trainable is True: what the model has frozen keeps its weights in every model that is trained anew. "
            "Take it out of 'trainable', or set its trainable to True and save the model again, which changes no "
            "weight."
        )
    return layers
