"""Training a tokenizer's network on labelled frames with Transformers' `Trainer`.

Knows the loop's set-up; must not know where clips come from or how the result is judged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset
from transformers import EarlyStoppingCallback, Trainer, set_seed
from transformers.trainer_callback import PrinterCallback
from transformers.utils import ModelOutput

from ..semantic_tokenizer import (
    FrameNetworkConfig,
    FrameNetworkTokenizer,
    HubertQuantizer,
    HubertQuantizerConfig,
)
from ..semantic_tokenizer.speech_encoder import SpeechEncoder
from .callbacks import Log
from .checkpoints import prepare_output, stopped_early
from .order import Place, RunExamples, RunOrder, collate
from .tokenizer_augment import MelShape, augment
from .tokenizer_clips import LabelledClip
from .tokenizer_examples import TokenizerExamples
from .tokenizer_recipe import TokenizerRecipe
from .trainer import trainer_arguments

NetworkTokenizer = FrameNetworkTokenizer | HubertQuantizer
_STATISTICS_CLIPS = 400  # clips that the mean and deviation of the log-mel come from


class TokenizerTrainer(Trainer):
    """`Trainer` whose examples come in a `RunOrder`, and which counts frames."""

    def __init__(self, order: RunOrder, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.order, self.n_frames = order, 0
        self.remove_callback(PrinterCallback)

    def _get_train_sampler(self, train_dataset: Any = None) -> RunOrder:
        return self.order

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        self.n_frames += inputs["labels"].numel()
        return super().training_step(model, inputs, *args, **kwargs)


class Trained(nn.Module):
    """A network without its settings, into which `Trainer` would write."""

    def __init__(self, network: NetworkTokenizer) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_features: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> ModelOutput:
        """What the network gives."""
        return self.network(input_features, attention_mask, labels)


class EvaluationClips(Dataset):
    """Clips as they are, ready for the same collation as those of the training."""

    def __init__(self, examples: TokenizerExamples) -> None:
        self.run = RunExamples(examples, len(examples))

    def __len__(self) -> int:
        return len(self.run)

    def __getitem__(self, index: int) -> Any:
        return self.run[Place(0, index, True)]


def build_network(recipe: TokenizerRecipe) -> NetworkTokenizer:
    """The recipe's tokenizer with random weights."""
    set_seed(recipe.seed)
    if recipe.kind == "frame_network":
        return FrameNetworkTokenizer(
            FrameNetworkConfig(
                vocab_size=recipe.n_tokens,
                hidden_size=recipe.hidden_size or FrameNetworkConfig.hidden_size,
                num_layers=recipe.num_layers,
                switching_penalty=recipe.switching_penalty,
            )
        )
    source = recipe.encoder or HubertQuantizerConfig.encoder
    encoder = SpeechEncoder(source, recipe.layer, normalize_input=False)
    hidden_size = recipe.hidden_size or HubertQuantizerConfig.hidden_size
    config = HubertQuantizerConfig(
        encoder=source,
        layer=recipe.layer,
        input_size=encoder.feature_size,
        hidden_size=hidden_size,
        intermediate_size=4 * hidden_size,  # as in the community's larger files
        vocab_size=recipe.n_tokens,
        semantic_rate_hz=recipe.label_rate_hz or HubertQuantizerConfig.semantic_rate_hz,
        sampling_rate=encoder.sampling_rate,
    )
    quantizer = HubertQuantizer(config)
    quantizer.encoder = encoder
    return quantizer


def train_network(
    recipe: TokenizerRecipe, network: NetworkTokenizer, training: list[LabelledClip], held_out: list[LabelledClip]
) -> None:
    """Train in place; checkpoints and the log go to the recipe's folder.

    Raises:
        ValueError: if the folder has checkpoints of another recipe, or labels don't fit the sound.
    """
    frame_rate = network.frame_rate_hz
    make = partial(
        TokenizerExamples,
        sampling_rate=network.config.sampling_rate,
        frame_rate=frame_rate,
        label_rate=recipe.label_rate_hz or network.rate_hz,
        seed=recipe.seed,
    )
    # The encoder is not trained: beside the network, it is neither in checkpoints nor in the optimizer.
    encoder, network.encoder = network.encoder, None
    features_of: Callable[[torch.Tensor], torch.Tensor] = network.features_of if encoder is None else encoder
    examples = make(
        training,
        features_of,
        crop_frames=max(1, round(recipe.crop_seconds * frame_rate)),
        change=change_of(recipe, network),
    )
    if isinstance(network, FrameNetworkTokenizer):
        set_statistics(network, examples)
    evaluation = EvaluationClips(make(held_out, features_of)) if held_out else None
    run(recipe, network, examples, evaluation)
    network.encoder = encoder


def run(
    recipe: TokenizerRecipe, network: NetworkTokenizer, examples: TokenizerExamples, evaluation: EvaluationClips | None
) -> None:
    """The loop, from the newest checkpoint on."""
    arguments = trainer_arguments(recipe)
    if isinstance(examples.features_of, SpeechEncoder):
        examples.features_of.to(arguments.device)
    per_step = recipe.batch_size * recipe.gradient_accumulation * arguments.world_size
    n_steps = stopped_early(recipe) or recipe.max_steps or math.ceil(recipe.epochs * len(examples) / per_step)
    arguments.max_steps, arguments.num_train_epochs = n_steps, 1  # to Trainer the whole run is one pass
    if evaluation is None:
        arguments.eval_strategy = "no"
    n_examples = n_steps * per_step
    order = RunOrder(examples.lengths, recipe.batch_size, n_examples, n_examples, recipe.seed)
    checkpoint = prepare_output(recipe)
    trainer = TokenizerTrainer(
        order,
        model=Trained(network),
        args=arguments,
        data_collator=collate,
        train_dataset=RunExamples(examples, n_examples),
        eval_dataset=evaluation,
    )
    trainer.add_callback(Log(Path(arguments.output_dir), lambda: trainer.n_frames, "tokenizer", n_steps))
    if recipe.early_stopping_patience:
        trainer.add_callback(EarlyStoppingCallback(recipe.early_stopping_patience))
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    network.to("cpu").eval()


def change_of(recipe: TokenizerRecipe, network: NetworkTokenizer) -> Any:
    """The augmentation of the recipe's features, or None."""
    if not recipe.augment or not isinstance(network, FrameNetworkTokenizer):
        return None
    return partial(augment, shape=MelShape(network.config.sampling_rate, network.config.num_mel_bins))


def set_statistics(network: FrameNetworkTokenizer, examples: TokenizerExamples) -> None:
    """Mean and standard deviation of each log-mel band over some clips, evenly chosen."""
    chosen = np.unique(np.linspace(0, len(examples) - 1, min(len(examples), _STATISTICS_CLIPS)).astype(int))
    frames = np.concatenate([examples.frames(int(index)).features for index in chosen]).astype(np.float32)
    network.mel_mean.copy_(torch.from_numpy(frames.mean(axis=0)))
    network.mel_std.copy_(torch.from_numpy(frames.std(axis=0)).clamp_min(0.1))


__all__ = ["NetworkTokenizer", "TokenizerTrainer", "build_network", "train_network"]
