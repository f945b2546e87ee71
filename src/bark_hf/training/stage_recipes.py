"""The recipes of the three networks. Knows what can be asked for; loads nothing until a training starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from .recipe import TrainRecipe, option


@dataclass(frozen=True, kw_only=True)
class StageRecipe(TrainRecipe):
    """What the trainings of the three networks are told. `part` is the network's name in a checkpoint."""

    part: ClassVar[str]

    model: str = option(help="Checkpoint to start from: a folder, or a name on the Hub such as suno/bark-small.")
    fresh_weights: bool = option(False, help="Start from random weights of the sizes in the checkpoint's config.")
    dropout: float | None = option(None, help="Dropout while training; default: the config's.", least=0.0, most=0.9)
    history_probability: float = option(0.5, help="Share of examples with a voice in front.", least=0.0, most=1.0)
    full_layout_fraction: float = option(
        0.2, help="Last share of the run with all of the padding that generation has; 1: always.", least=0.0, most=1.0
    )
    group_by_length: bool = option(True, help="Batches of examples of similar length, so that less is padded.")
    eval_examples: int = option(
        64, help="Evaluation examples at least: of few clips, several windows and voices each.", least=1
    )
    lora_rank: int = option(
        0, help="Train low-rank adapters of this rank (peft) and nothing else; 0: all weights.", least=0
    )
    lora_alpha: float = option(16.0, help="Adapters are scaled by alpha / rank.", least=0.0)
    lora_dropout: float = option(0.0, help="Dropout in front of adapters.", least=0.0, most=0.9)
    lora_target_modules: tuple[str, ...] = option(
        ("att_proj", "out_proj", "in_proj"), help="Ends of the names of layers that get adapters."
    )
    lora_merge: bool = option(True, help="Write the whole checkpoint, adapters merged; without it, adapters alone.")
    sample_text: str | None = option(None, help="Speak this at each evaluation, into output_dir/samples.")
    sample_voice: str | None = option(None, help="Preset or .npz file to speak it with.")

    def check(self) -> None:
        super().check()
        if self.lora_rank and self.fresh_weights:
            raise ValueError("lora_rank and fresh_weights contradict: adapters need trained weights; leave one out.")
        if self.sample_voice is not None and self.sample_text is None:
            raise ValueError(f"sample_voice={self.sample_voice!r} says nothing without sample_text; give both.")


@dataclass(frozen=True, kw_only=True)
class SemanticRecipe(StageRecipe):
    """Text -> semantic tokens."""

    part: ClassVar[str] = "semantic"


@dataclass(frozen=True, kw_only=True)
class CoarseRecipe(StageRecipe):
    """Semantic tokens -> the first two codebooks."""

    part: ClassVar[str] = "coarse_acoustics"

    label_history: bool = option(True, help="Learn to predict the window's history too, not only what follows it.")


@dataclass(frozen=True, kw_only=True)
class FineRecipe(StageRecipe):
    """The first codebooks -> all eight."""

    part: ClassVar[str] = "fine_acoustics"


def train_stage(recipe: StageRecipe) -> Path:
    """Train one network; see `stage_training.train_stage`."""
    from . import stage_training

    return stage_training.train_stage(recipe)


__all__ = ["CoarseRecipe", "FineRecipe", "SemanticRecipe", "StageRecipe", "train_stage"]
