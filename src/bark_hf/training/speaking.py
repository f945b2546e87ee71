"""A sentence spoken by the checkpoint in training. Knows processor and model; knows no training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ..processing_bark import BarkProcessor
from .source import Source
from .stage_recipes import StageRecipe


def make_speaker(source: Source, recipe: StageRecipe, device: torch.device) -> Callable[[], tuple[np.ndarray, int]]:
    """A function that speaks `recipe.sample_text` with the network in training and the rest of the checkpoint.

    Args:
        source: its model holds the network in training, adapters and all.
        device: where the network is; the other parts go there too.

    Returns:
        a function giving float samples [n] and their rate.

    Raises:
        ValueError: for a voice that isn't there, a text with nothing to say, or a checkpoint that lacks weights of
            another part.
        FileNotFoundError: if the checkpoint has no tokenizer.
    """
    lacking = sorted({name.partition(".")[0] for name in source.missing} - {recipe.part})
    if lacking:
        raise ValueError(
            f"sample_text can't be spoken: {source.folder} lacks weights of {', '.join(lacking)}; train these first, "
            "or leave sample_text out."
        )
    processor = BarkProcessor.from_pretrained(source.folder)
    inputs = processor(recipe.sample_text, voice_preset=recipe.sample_voice)
    model = source.model.to(device)

    def speak() -> tuple[np.ndarray, int]:
        was_training = getattr(model, recipe.part).training
        model.eval()
        try:
            audio = model.generate(**inputs.to(device), seed=recipe.seed)
        finally:
            getattr(model, recipe.part).train(was_training)
        return audio[0].float().cpu().numpy(), model.sampling_rate

    return speak


__all__ = ["make_speaker"]
