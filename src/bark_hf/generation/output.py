"""What `generate` gives back: audio, and the tokens of every stage with their lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers.utils import ModelOutput

from ..generation_configuration_bark import BarkGenerationConfig
from ..tokens import pad_stack
from ..voices import VoicePrompt
from .inputs import voice_rules
from .sounding import Sounding


@dataclass
class BarkOutput(Sounding, ModelOutput):
    """Result of `BarkModel.generate(..., return_dict_in_generate=True)`; item i ends at its length.

    In a notebook it is shown as a player; `save`, `plot` and `waveform` are in `Sounding`.

    Args:
        audio: float32 [B, samples], in about -1..1, zeros behind each item's end.
        audio_lengths: int64 [B], samples.
        semantic_tokens: int64 [B, S], padded with the semantic pad token (10,000).
        semantic_lengths: int64 [B].
        coarse_codes: int64 [B, 2, T], codes 0..1023, zeros behind the end.
        fine_codes: int64 [B, 8, T], codes 0..1023, zeros behind the end.
        code_lengths: int64 [B], frames of coarse and fine codes.
        seeds: the seed of each item: pass it to `generate` to get the item again.
        sampling_rate: samples per second.
        generation_config: what the items were generated with.
    """

    # ModelOutput wants defaults; every field is set by `from_items`.
    audio: torch.Tensor = None
    audio_lengths: torch.Tensor = None
    semantic_tokens: torch.Tensor = None
    semantic_lengths: torch.Tensor = None
    coarse_codes: torch.Tensor = None
    fine_codes: torch.Tensor = None
    code_lengths: torch.Tensor = None
    seeds: list[int] = None  # type: ignore[assignment]
    sampling_rate: int = None  # type: ignore[assignment]
    generation_config: BarkGenerationConfig = None  # type: ignore[assignment]

    @classmethod
    def from_items(
        cls,
        semantic: Sequence[torch.Tensor],
        coarse: Sequence[torch.Tensor],
        fine: Sequence[torch.Tensor],
        audio: Sequence[torch.Tensor],
        seeds: list[int],
        config: BarkGenerationConfig,
        device: torch.device,
    ) -> BarkOutput:
        """Pad the items of a batch, which have different lengths, into tensors on one device."""

        def lengths(items: Sequence[torch.Tensor]) -> torch.Tensor:
            return torch.tensor([item.shape[-1] for item in items], device=device)

        def padded(items: Sequence[torch.Tensor], value: int = 0) -> torch.Tensor:
            return pad_stack([item.to(device) for item in items], value)

        return cls(
            audio=padded(audio),
            audio_lengths=lengths(audio),
            semantic_tokens=padded(semantic, config.semantic_config.semantic_pad_token),
            semantic_lengths=lengths(semantic),
            coarse_codes=padded(coarse),
            fine_codes=padded(fine),
            code_lengths=lengths(fine),
            seeds=seeds,
            sampling_rate=config.sample_rate,
            generation_config=config,
        )

    def voice(self, index: int = 0) -> VoicePrompt:
        """What item `index` said as a voice prompt, to continue with the same voice or to save it.

        Raises:
            ValueError: if the item is too short to be a voice.
        """
        n_semantic, n_frames = int(self.semantic_lengths[index]), int(self.code_lengths[index])
        return VoicePrompt(
            semantic_prompt=self.semantic_tokens[index, :n_semantic].cpu().numpy(),
            coarse_prompt=self.coarse_codes[index, :, :n_frames].cpu().numpy(),
            fine_prompt=self.fine_codes[index, :, :n_frames].cpu().numpy(),
            rules=voice_rules(self.generation_config),
        )
