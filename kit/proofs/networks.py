"""The networks that trainings in shards need: made and compiled once, however many deletions there are."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from kit.methods import sisa
from kit.runs import pretraining
from kit.toolbox import ensembles
from kit.types import Challenge


class Networks:
    """Those of one challenge and one number of shards, made once: what is compiled for them serves each deletion."""

    def __init__(self) -> None:
        """Makes none yet."""
        self._base: keras.Model | None = None
        self._ensemble: keras.Model | None = None

    def base(self, challenge: Challenge) -> keras.Model:
        """Returns a network of the challenge's architecture, with any weights."""
        if self._base is None:
            self._base = pretraining.new_base(challenge)
        return self._base

    def ensemble(self, weights: Sequence[Sequence[np.ndarray]], challenge: Challenge) -> keras.Model:
        """Returns the ensemble of members with these weights, the same object each time.

        Args:
            weights: of each member.
            challenge: says how many classes there are.
        """
        if self._ensemble is None:
            self._ensemble = sisa.ensemble_of(self.base(challenge), weights, challenge)
        for member, arrays in zip(ensembles.members(self._ensemble), weights, strict=True):
            member.set_weights(arrays)
        return self._ensemble
