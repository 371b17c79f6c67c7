"""Exact unlearning by design: of several networks only those that saw a forgotten example are retrained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from kit.methods import _sharding
from kit.toolbox import ensembles, facts, seeding
from kit.toolbox.examples import batches, in_memory
from kit.toolbox.state import write_weights
from kit.types import Arrays, Challenge, InputError

if TYPE_CHECKING:
    import tensorflow as tf


def unlearning(
    net: keras.Model,
    retain: tf.data.Dataset,
    forget: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    folder: Path,
    constant: bool = False,
    on_slice: _sharding.OnSlice | None = None,
) -> keras.Model:
    """Retrains the shards that held a forgotten example, each from the first slice that did.

    The formula: sharded, isolated, sliced, aggregated. Members of an ensemble are each trained on a shard of the data,
    slice after slice; the ensemble's probabilities are the mean of theirs. What was kept before the first affected
    slice has not seen the forgotten examples, so what is trained from there is exact. A random tenth of the data
    leaves no slice unaffected; a few examples cost a few slices. The run's seed is that of what is trained anew. With
    `constant` everything is retrained, and as many examples shown as the first training showed: time tells nothing.

    Kind: exact
    Cost: recipe_epochs * (retain + constant * forget)
    Data: retain (that of the affected shards), forget (which shards and slices it was in)
    Source: Bourtoule et al., Machine Unlearning, IEEE S&P 2021.
    Differences: shard, slice and order follow from a keyed hash of each example, so that they are the same with and
    without the forgotten ones, and only who has the key can tell them; the learning rate begins anew with each slice.
    """
    plan, seed = _sharding.Plan.read(folder), seeding.draw_seed()
    retain_examples, forget_examples = in_memory(retain), in_memory(forget)
    members = ensembles.members(net)
    weights = [member.get_weights() for member in members]
    first_slices = _affected(plan, forget_examples.ids(plan.key), constant=constant)
    ids, examples_shown = retain_examples.ids(plan.key), 0
    for shard, first in first_slices.items():
        examples_shown += _sharding.train_member(
            members[0], plan, shard, retain_examples, ids, first=first, seed=seed, folder=folder, on_slice=on_slice
        )
        weights[shard] = members[0].get_weights()
    if constant:
        examples_shown += _sharding.show(members[0], plan, retain_examples, plan.shown(folder) - examples_shown)
    for member, arrays in zip(members, weights, strict=True):
        member.set_weights(arrays)
    facts.write(folder, {"examples_shown": examples_shown, "shards_retrained": len(first_slices)})
    return net


def pretraining(
    challenge: Challenge,
    seed: int,
    folder: Path,
    base: keras.Model,
    *,
    shards: int = 3,
    slices: int = 4,
    on_slice: _sharding.OnSlice | None = None,
) -> keras.Model:
    """Trains the members on their shards, and keeps each one's weights after each slice.

    Raises:
        InputError: no shard, or no slice.
    """
    if shards < 1 or slices < 1:
        raise InputError(
            f"SISA was asked for {shards} shards of {slices} slices. Expected at least one of each. Change 'shards' "
            "and 'slices'."
        )
    training_seed, key = _drawn(seed)
    plan = _sharding.Plan(shards, slices, challenge.recipe, key)
    plan.write(folder)
    data = batches(challenge.train, np.arange(len(challenge.train)), challenge.batch_size)
    examples, weights, examples_shown = in_memory(data), [], 0
    ids = examples.ids(plan.key)
    for shard in range(shards):
        examples_shown += _sharding.train_member(
            base, plan, shard, examples, ids, first=0, seed=training_seed, folder=folder, on_slice=on_slice
        )
        weights.append(base.get_weights())
    net = ensemble_of(base, weights, challenge)
    plan.write_shown(folder, examples_shown)
    facts.write(folder, {"examples_shown": examples_shown, "shards_retrained": shards})
    return net


def places(folder: Path, x: np.ndarray, y: np.ndarray, key: bytes | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Returns shard and slice of examples, int64 (n,) each: what the process must not give away.

    Args:
        folder: what `pretraining` has kept.
        x, y: the examples, as they were learnt.
        key: of who guesses at it; by default the one by which they were placed.
    """
    plan = _sharding.Plan.read(folder)
    examples = in_memory(batches(Arrays(x, y), np.arange(len(x)), len(x)))
    return plan.places(examples.ids(plan.key if key is None else key))


def ensemble_of(base: keras.Model, weights: Sequence[Sequence[np.ndarray]], challenge: Challenge) -> keras.Model:
    """Returns the ensemble of members like `base`, with the weights of each."""
    net = ensembles.ensemble([keras.models.clone_model(base) for _ in weights], challenge.input_shape)
    for member, arrays in zip(ensembles.members(net), weights, strict=True):
        member.set_weights(arrays)
    return net


def slice_again(
    base: keras.Model,
    challenge: Challenge,
    *,
    seeds: tuple[int, int],
    place: tuple[int, int],
    shape: tuple[int, int],
    before: Sequence[np.ndarray],
    folder: Path,
) -> list[np.ndarray]:
    """Returns a member's weights after one slice, trained anew by who checks a training.

    Args:
        base: a network of the challenge's architecture; it is changed.
        challenge: its training set is what was learnt, without what was forgotten since.
        seeds: of `pretraining`, and of the call that has trained this slice: that one, or a later `unlearning`.
        place: shard and slice.
        shape: numbers of shards and slices.
        before: the member's weights after the slice before; of the first slice, anything.
        folder: for a while.
    """
    (shard, number), (_, key), (seed, _) = place, _drawn(seeds[0]), _drawn(seeds[1])
    plan = _sharding.Plan(*shape, challenge.recipe, key)
    examples = in_memory(batches(challenge.train, np.arange(len(challenge.train)), challenge.batch_size))
    if number:
        write_weights(folder, _sharding.name(shard, number - 1), before)
    ids = examples.ids(plan.key)
    _sharding.train_member(base, plan, shard, examples, ids, first=number, seed=seed, folder=folder, last=number)
    weights: list[np.ndarray] = base.get_weights()
    return weights


def _affected(plan: _sharding.Plan, forgotten: np.ndarray, *, constant: bool) -> dict[int, int]:
    """Returns the shards that are retrained, each with the slice to begin at: with `constant` all, from the first."""
    if constant:
        return dict.fromkeys(range(plan.shards), 0)
    shards, slices = plan.places(forgotten)
    return {int(shard): int(slices[shards == shard].min()) for shard in np.unique(shards)}


def _drawn(seed: int) -> tuple[int, bytes]:
    """Returns what follows from the seed of a call: the seed of members, and a key."""
    seeding.set_random_seed(seed, keep_compiled=True)
    return seeding.draw_seed(), np.random.bytes(32)
