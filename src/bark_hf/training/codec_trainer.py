"""`Trainer` for a codec's decoder: reconstruction losses, and discriminators in the last part of the run.

Knows losses, steps and checkpoints; knows no files of sound, and no codec but through its `forward`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import Trainer
from transformers.trainer_callback import PrinterCallback

from .codec_losses import discriminator_hinge, feature_matching, generator_hinge, mel_l1, stft_loss
from .codec_training import CodecRecipe
from .discriminators import Discriminators
from .order import RunOrder

ADVERSARY_FILE = "discriminators.pt"


class Adversary:
    """Discriminators with their own optimizer.

    Args:
        recipe: learning rate, channels and weights.
        device: where they run.
        reduce: averages a gradient over the processes.
    """

    def __init__(self, recipe: CodecRecipe, device: torch.device, reduce: Any):
        self.recipe, self.reduce = recipe, reduce
        with torch.random.fork_rng(devices=[]):  # the decoder's run is the same with and without discriminators
            torch.manual_seed(recipe.seed)
            self.networks = Discriminators(recipe.discriminator_channels).to(device)
        self.optimizer = torch.optim.AdamW(
            self.networks.parameters(), lr=recipe.discriminator_learning_rate, betas=(0.8, 0.99), weight_decay=0.0
        )

    def learn(self, predicted: torch.Tensor, target: torch.Tensor) -> None:
        """One step of the discriminators on decoded and recorded waveforms [B, n]."""
        self.networks.requires_grad_(True)
        loss = discriminator_hinge(self.networks(target).scores, self.networks(predicted.detach()).scores)
        self.optimizer.zero_grad()
        loss.backward()
        for parameter in self.networks.parameters():
            parameter.grad = self.reduce(parameter.grad)
        torch.nn.utils.clip_grad_norm_(self.networks.parameters(), 10.0)
        self.optimizer.step()

    def judge(self, predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The decoder's loss, weighted; no gradient reaches the discriminators."""
        self.networks.requires_grad_(False)
        with torch.no_grad():
            real = self.networks(target)
        fake = self.networks(predicted)
        scores = self.recipe.adversarial_weight * generator_hinge(fake.scores)
        return scores + self.recipe.feature_weight * feature_matching(real.features, fake.features)

    def save(self, folder: Path) -> None:
        """Write networks and optimizer into a checkpoint."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {"networks": self.networks.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save(state, folder / ADVERSARY_FILE)

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            ValueError: if it was written without discriminators.
        """
        path = folder / ADVERSARY_FILE
        if not path.is_file():
            raise ValueError(f"{folder} has no {ADVERSARY_FILE}; set discriminator_share: 0 or resume: false.")
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.networks.load_state_dict(state["networks"])
        self.optimizer.load_state_dict(state["optimizer"])


class CodecTrainer(Trainer):
    """Trains what of a codec has gradients, so that `codec(input_values).audio_values` sounds like its input.

    The evaluation loss is the mean absolute log-mel difference, in natural log units.

    Args:
        recipe: weights of the losses, and the discriminators.
        order: which crop comes when.

    Attributes:
        n_frames: frames that have gone through the decoder.
    """

    def __init__(self, recipe: CodecRecipe, order: RunOrder, **kwargs: Any):
        super().__init__(**kwargs)
        self.recipe, self.order, self.n_frames = recipe, order, 0
        self.adversary: Adversary | None = None
        if recipe.discriminator_share:
            self.adversary = Adversary(recipe, self.args.device, lambda grad: self.accelerator.reduce(grad, "mean"))
        self.can_return_loss = True  # batches have no labels; Trainer wouldn't evaluate them otherwise
        self.remove_callback(PrinterCallback)

    def _get_train_sampler(self, train_dataset: Any = None) -> RunOrder:
        return self.order

    @property
    def has_just_evaluated(self) -> bool:
        """Whether the newest step has an evaluation loss."""
        newest = [line for line in self.state.log_history if line["step"] == self.state.global_step]
        return any("eval_loss" in line for line in newest)

    @property
    def is_adversarial(self) -> bool:
        """Whether discriminators take part in this step."""
        start = round(self.state.max_steps * (1 - self.recipe.discriminator_share))
        return self.adversary is not None and self.state.global_step >= start

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The loss of a batch of crops {"input_values": float [B, 1, n]}."""
        audio = inputs["input_values"]
        predicted = model(input_values=audio).audio_values[:, 0].float()  # [B, n]
        target = audio[:, 0]
        rate = self.accelerator.unwrap_model(model).config.sampling_rate
        mel = mel_l1(predicted, target, rate)
        if not model.training:
            return (mel, {}) if return_outputs else mel
        self.n_frames += self.order.lengths[0] * audio.shape[0]
        loss = self.recipe.mel_weight * mel + self.recipe.stft_weight * stft_loss(predicted, target)
        if self.is_adversarial:
            assert self.adversary is not None
            self.adversary.learn(predicted, target)
            loss = loss + self.adversary.judge(predicted, target)
        return loss

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Discriminators first: a checkpoint counts as whole when Trainer's own state, the last file, is there."""
        if self.adversary is not None and self.args.should_save:
            self.adversary.save(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}")
        super()._save_checkpoint(model, trial)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if self.adversary is not None:
            self.adversary.load(Path(resume_from_checkpoint))


__all__ = ["Adversary", "CodecTrainer"]
