"""Codec training: its recipe, and the route from a folder of sound to a codec. Loads nothing until a training starts.

Knows what can be asked for and in which order things happen; how they are done is in `codec_sounds`, `codec_trainer`
and `bark_hf.codec`.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .recipe import TrainRecipe, option

FEATURES = ("mel_codec", "encodec")
MODEL_FOLDER, FITTED_FOLDER = "model", "fitted"


@dataclass(frozen=True, kw_only=True)
class CodecRecipe(TrainRecipe):
    """What codec training is told: first codebooks by k-means, then the decoder on random crops of the sound."""

    data: str = option(help="Folder with sound files (wav, flac, ogg, mp3), searched with its subfolders.")
    eval_data: str | None = option(None, help="Folder with sound files to evaluate on; replaces eval_fraction.")
    eval_fraction: float = option(0.05, help="Share of the files kept for evaluation; 0: none.", least=0.0, most=0.9)
    model: str | None = option(
        None, help="Codec or Bark checkpoint whose codec is trained further; fitted codebooks stay. Default: a new one."
    )
    codec_features: str = option(
        "mel_codec", help="What is decoded: our codec's frames, or a frozen EnCodec's code vectors.", choices=FEATURES
    )
    learning_rate: float = option(5e-4, help="Highest learning rate of the decoder.", least=0.0, most=1.0)
    batch_size: int = option(16, help="Crops at once, per process.", least=1)
    crop_seconds: float = option(0.85, help="Length of a crop; rounded to whole frames.", least=0.1, most=30.0)
    eval_examples: int = option(256, help="Crops per evaluation, at most; one of each held-out file.", least=1)
    fit_frames: int = option(300_000, help="Frames that the codebooks are found on (75 per second).", least=256)
    n_components: int = option(64, help="New codec: principal components that are quantised.", least=1, most=100)
    num_quantizers: int = option(8, help="New codec: codebooks.", least=1, most=32)
    codebook_size: int = option(1024, help="New codec: codes in a codebook.", least=2)
    decoder_hidden_size: int = option(256, help="New decoder: width.", least=8)
    decoder_num_layers: int = option(6, help="New decoder: ConvNeXt blocks.", least=1)
    decoder_intermediate_size: int = option(768, help="New decoder: width inside a block.", least=8)
    mel_weight: float = option(1.0, help="Weight of the log-mel difference.", least=0.0)
    stft_weight: float = option(1.0, help="Weight of the multi-resolution STFT loss.", least=0.0)
    discriminator_share: float = option(
        0.0, help="Last share of the steps that discriminators take part in; 0: none.", least=0.0, most=1.0
    )
    discriminator_learning_rate: float = option(2e-4, help="Learning rate of the discriminators.", least=0.0, most=1.0)
    discriminator_channels: int = option(8, help="Channels of a discriminator's first layer.", least=1)
    adversarial_weight: float = option(0.05, help="Weight of the discriminators' scores.", least=0.0)
    feature_weight: float = option(0.1, help="Weight of feature matching.", least=0.0)

    def check(self) -> None:
        super().check()
        if self.codec_features == "encodec" and self.model is None:
            raise ValueError(
                "codec_features='encodec' needs a trained EnCodec; give model: its folder, or a Bark checkpoint."
            )
        if not self.mel_weight and not self.stft_weight:
            raise ValueError("mel_weight=0 and stft_weight=0 leave nothing to learn from; leave one of them out.")


def train_codec(recipe: CodecRecipe) -> Path:
    """Fit a codec's codebooks (unless they are there) and train its decoder.

    Sound is trimmed and levelled as `bark-hf prepare` does it by default. `output_dir` gets the fitted codec without a
    trained decoder in `fitted`, checkpoints, `log.jsonl`, and the result in `model`.

    Returns:
        output_dir/model, a folder for `AutoModel.from_pretrained` or a `BarkConfig`'s `codec_config`.

    Raises:
        ValueError: for data, a codec or a recipe that don't fit: what is wrong, the limit, the remedy.
        OSError: if the disk refuses. The same call then goes on from the newest checkpoint.
        ImportError: if a package is missing.
    """
    from transformers import EarlyStoppingCallback, set_seed

    from .callbacks import Log
    from .checkpoints import newest_checkpoint, prepare_output, stopped_early
    from .codec_sounds import SoundCrops, find_sounds, split_sounds
    from .codec_starting import fitted_codec, starting_codec
    from .codec_trainer import CodecTrainer
    from .order import RunOrder
    from .saving import replacing
    from .trainer import disk_errors, trainer_arguments

    output_dir = Path(recipe.output_dir).expanduser()
    arguments = trainer_arguments(recipe)
    with arguments.main_process_first(local=False):
        checkpoint = prepare_output(recipe) if arguments.process_index == 0 else newest_checkpoint(output_dir)
        index = output_dir / "sounds.json" if arguments.process_index == 0 else None
        kept, held_out = _sounds(recipe, index, find_sounds, split_sounds)
        set_seed(recipe.seed)  # fresh weights
        reuse = recipe.resume or arguments.process_index > 0
        codec = fitted_codec(starting_codec(recipe), recipe, kept, output_dir / FITTED_FOLDER, reuse)

    config: Any = codec.config
    frames = max(1, round(recipe.crop_seconds * config.sampling_rate / config.hop_length))
    crop = (config.sampling_rate, frames * config.hop_length)
    per_step = recipe.batch_size * recipe.gradient_accumulation * arguments.world_size
    n_steps = stopped_early(recipe) or recipe.max_steps or math.ceil(recipe.epochs * len(kept) / per_step)
    arguments.max_steps, arguments.num_train_epochs = n_steps, 1  # to Trainer the whole run is one pass
    n_examples = n_steps * per_step
    trainer = CodecTrainer(
        recipe,
        RunOrder([frames] * len(kept), recipe.batch_size, n_examples, n_examples, recipe.seed, group=False),
        model=codec,
        args=arguments,
        train_dataset=SoundCrops(kept, *crop, seed=recipe.seed),
        eval_dataset=SoundCrops(held_out, *crop, seed=recipe.seed) if held_out else None,
    )
    trainer.add_callback(Log(output_dir, lambda: trainer.n_frames, "codec", n_steps))
    if recipe.early_stopping_patience:
        trainer.add_callback(EarlyStoppingCallback(recipe.early_stopping_patience))
    with disk_errors(output_dir):
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        if held_out and not trainer.has_just_evaluated:
            trainer.evaluate()
    if trainer.is_world_process_zero():
        with replacing(output_dir / MODEL_FOLDER) as folder:
            trainer.accelerator.unwrap_model(trainer.model).save_pretrained(folder)
        print(f"written: {output_dir / MODEL_FOLDER}", file=sys.stderr, flush=True)
    trainer.accelerator.wait_for_everyone()
    return output_dir / MODEL_FOLDER


def _sounds(recipe: CodecRecipe, index: Path | None, find: Any, split: Any) -> tuple[Any, Any]:
    """Files to train on and files to evaluate on."""
    sounds = find(recipe.data, index)
    if recipe.eval_data is not None:
        return sounds, find(recipe.eval_data)[: recipe.eval_examples]
    return split(sounds, recipe.eval_fraction, recipe.eval_examples, recipe.seed)


__all__ = ["CodecRecipe", "train_codec"]
