"""Which trainings there are, and where each one is: names only, so that the command line loads none it doesn't run."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ..generation_options import near_match
from .recipe import TrainRecipe


class Stage(NamedTuple):
    """Where a training is.

    Attributes:
        module: its module in `bark_hf.training`.
        recipe: the name of its recipe's class there.
        function: the name of the function there: recipe -> folder of the result.
        help: one line.
    """

    module: str
    recipe: str
    function: str
    help: str


STAGES = {
    "semantic": Stage("stage_recipes", "SemanticRecipe", "train_stage", "text -> semantic tokens"),
    "coarse": Stage("stage_recipes", "CoarseRecipe", "train_stage", "semantic tokens -> the first two codebooks"),
    "fine": Stage("stage_recipes", "FineRecipe", "train_stage", "the first codebooks -> all eight"),
    "codec": Stage("codec_training", "CodecRecipe", "train_codec", "codes <-> sound"),
    "tokenizer": Stage("tokenizer_training", "TokenizerRecipe", "train_tokenizer", "sound -> semantic tokens"),
}


def find_stage(name: str) -> tuple[type[TrainRecipe], Callable[[Any], Path]]:
    """A training's recipe class and function.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in STAGES:
        hint = near_match(name, STAGES)
        raise ValueError(f"{name!r} is no training stage.{hint} There are {', '.join(STAGES)}.")
    stage = STAGES[name]
    module = importlib.import_module(f".{stage.module}", __package__)
    return getattr(module, stage.recipe), getattr(module, stage.function)


__all__ = ["STAGES", "Stage", "find_stage"]
