"""Log-mel -> a small convolutional network -> one token per frame, without any model from outside.

Knows the network and how `encode` picks tokens from its scores; must not know where labels come from.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from transformers.utils import ModelOutput

from .base import SemanticTokenizer
from .frame_network_config import FrameNetworkConfig
from .mel_frames import mel_frames
from .smoothing import smooth_path


class ConvNextBlock(nn.Module):
    """Depthwise convolution over time, then a two-layer network per frame, added to the input.

    Source: Liu et al., "A ConvNet for the 2020s", arXiv 2201.03545, in one dimension.
    """

    def __init__(self, config: FrameNetworkConfig) -> None:
        super().__init__()
        size, inner = config.hidden_size, config.expansion * config.hidden_size
        self.convolution = nn.Conv1d(size, size, config.kernel_size, padding=config.kernel_size // 2, groups=size)
        self.norm = nn.LayerNorm(size)
        self.up = nn.Linear(size, inner)
        self.down = nn.Linear(inner, size)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """hidden float [B, S, size], mask float [B, S, 1] (0 = padding) -> float [B, S, size]."""
        mixed = self.convolution((hidden * mask).transpose(1, 2)).transpose(1, 2)
        return hidden + self.down(functional.gelu(self.up(self.norm(mixed))))


class FrameNetworkTokenizer(SemanticTokenizer):
    """A token per frame from the sound around it.

    Args:
        config: sizes.

    Example:
        >>> FrameNetworkTokenizer(FrameNetworkConfig()).encode(torch.randn(24_000), 24_000).shape
        torch.Size([50])
    """

    tokenizer_type = "frame_network"
    config_class = FrameNetworkConfig
    config: FrameNetworkConfig

    def __init__(self, config: FrameNetworkConfig) -> None:
        super().__init__(config)
        size = config.hidden_size
        self.register_buffer("mel_mean", torch.zeros(config.num_mel_bins))
        self.register_buffer("mel_std", torch.ones(config.num_mel_bins))
        self.input = nn.Conv1d(config.num_mel_bins, size, 5, padding=2)
        self.blocks = nn.ModuleList(ConvNextBlock(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(size)
        self.head = nn.Linear(size, config.vocab_size)

    @property
    def rate_hz(self) -> float:
        return self.config.sampling_rate / self.config.hop_length

    @property
    def vocab_size(self) -> int:
        return self.config.vocab_size

    def features_of(self, waveform: torch.Tensor) -> torch.Tensor:
        """Log-mel at one loudness.

        Args:
            waveform: float32 [n] at the configuration's rate.

        Returns:
            float32 [n // hop_length, num_mel_bins].

        Raises:
            ValueError: if there is less than one frame of sound.
        """
        config = self.config
        return mel_frames(waveform, config.sampling_rate, config.hop_length, config.n_fft, config.num_mel_bins)

    def forward(
        self,
        input_features: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> ModelOutput:
        """Scores of all tokens for each frame.

        Args:
            input_features: float [B, S, num_mel_bins] from `features_of`.
            attention_mask: [B, S], 0 for padding, which then changes nothing in front of it.
            labels: int64 [B, S], -100 where there is none.

        Returns:
            loss (mean cross-entropy in nats, if there are labels) and logits [B, S, vocab_size].
        """
        mask = torch.ones_like(input_features[..., :1])
        if attention_mask is not None:
            mask = attention_mask[..., None].to(input_features)
        features = (input_features - self.mel_mean) / self.mel_std * mask
        hidden = self.input(features.transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            hidden = block(hidden, mask)
        logits = self.head(self.norm(hidden))
        if labels is None:
            return ModelOutput(logits=logits)
        return ModelOutput(loss=functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten()), logits=logits)

    def tokens_of(self, waveform: torch.Tensor) -> torch.Tensor:
        logits = self(self.features_of(waveform)[None]).logits[0]
        return smooth_path(logits.float().log_softmax(dim=-1), self.config.switching_penalty)


__all__ = ["FrameNetworkTokenizer"]
