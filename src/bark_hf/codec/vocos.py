"""A Vocos-style decoder: feature frames -> ConvNeXt blocks -> complex spectra -> waveform (arXiv 2306.00814).

Knows frames, spectra and waveforms; knows no codes: what the features mean is up to the caller.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from transformers import initialization as init

_EPS = 1e-6
_MAX_MAGNITUDE = 100.0  # exp() of an untrained or broken head must not overflow


class AdaptiveLayerNorm(nn.Module):
    """LayerNorm whose scale and shift are looked up by a condition (EnCodec's bandwidth, say).

    Args:
        num_conditions: rows of both tables.
        size: width.
    """

    def __init__(self, num_conditions: int, size: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(num_conditions, size))
        self.shift = nn.Parameter(torch.zeros(num_conditions, size))

    def forward(self, hidden: torch.Tensor, condition: int | None) -> torch.Tensor:
        """[B, T, size] -> [B, T, size]; `condition` is a row of the tables."""
        if condition is None:
            raise ValueError("This decoder is conditioned: give the condition's index.")
        return F.layer_norm(hidden, hidden.shape[-1:], self.scale[condition], self.shift[condition], _EPS)


class PlainLayerNorm(nn.LayerNorm):
    """LayerNorm with the call of `AdaptiveLayerNorm`; it has no condition."""

    def __init__(self, size: int):
        super().__init__(size, eps=_EPS)

    def forward(self, hidden: torch.Tensor, condition: int | None = None) -> torch.Tensor:
        """[B, T, size] -> [B, T, size]."""
        return super().forward(hidden)


class ConvNeXtBlock(nn.Module):
    """A depthwise convolution over 7 frames, then two linear layers per frame, added to the input.

    Args:
        hidden_size: channels.
        intermediate_size: width between the two linear layers.
        layer_scale: initial value of the block's per-channel gain.
        num_conditions: None for a plain LayerNorm.
    """

    def __init__(self, hidden_size: int, intermediate_size: int, layer_scale: float, num_conditions: int | None):
        super().__init__()
        self.depthwise = nn.Conv1d(hidden_size, hidden_size, kernel_size=7, padding=3, groups=hidden_size)
        self.norm = _norm(hidden_size, num_conditions)
        self.expand = nn.Linear(hidden_size, intermediate_size)
        self.project = nn.Linear(intermediate_size, hidden_size)
        self.gamma = nn.Parameter(torch.full((hidden_size,), layer_scale))

    def forward(self, hidden: torch.Tensor, condition: int | None = None) -> torch.Tensor:
        """[B, T, hidden_size] -> the same."""
        mixed = self.depthwise(hidden.transpose(1, 2)).transpose(1, 2)
        mixed = self.project(F.gelu(self.expand(self.norm(mixed, condition))))
        return hidden + self.gamma * mixed


def _norm(size: int, num_conditions: int | None) -> nn.Module:
    return PlainLayerNorm(size) if num_conditions is None else AdaptiveLayerNorm(num_conditions, size)


def inverse_stft(spectrum: torch.Tensor, n_fft: int, hop_length: int) -> torch.Tensor:
    """Least-squares inverse of a Hann-windowed STFT; exactly `hop_length` samples per frame.

    Frame t is centred on the middle of its own hop, sample (t + 0.5) * hop_length, so that both ends are covered and
    nothing is left over.

    Args:
        spectrum: complex64 [B, n_fft // 2 + 1, T].
        n_fft: window in samples, a multiple of `hop_length`.

    Returns:
        float32 [B, T * hop_length].
    """
    overlap, n_frames = n_fft // hop_length, spectrum.shape[-1]
    window = torch.hann_window(n_fft, device=spectrum.device)
    frames = torch.fft.irfft(spectrum.transpose(1, 2), n_fft) * window  # [B, T, n_fft]
    add = partial(_overlap_add, overlap=overlap, hop_length=hop_length)
    envelope = add(window.square().expand(1, n_frames, n_fft))
    cut = (n_fft - hop_length) // 2
    kept = slice(cut, cut + n_frames * hop_length)
    return add(frames)[:, kept] / envelope[:, kept]


def _overlap_add(frames: torch.Tensor, overlap: int, hop_length: int) -> torch.Tensor:
    """[B, T, overlap * hop] -> [B, (T + overlap - 1) * hop]: hop j of frame t goes to hop t + j."""
    parts = frames.unflatten(2, (overlap, hop_length)).unbind(2)
    return sum(F.pad(part, (0, 0, j, overlap - 1 - j)) for j, part in enumerate(parts)).flatten(1)


class VocosDecoder(nn.Module):
    """Feature frames -> waveform.

    Args:
        num_features: channels of a feature frame.
        hidden_size, num_layers, intermediate_size: the ConvNeXt blocks.
        n_fft: window of the predicted spectra, in samples; a multiple of `hop_length`.
        hop_length: samples per frame.
        num_conditions: rows of the conditional LayerNorms, or None for plain ones.
    """

    def __init__(
        self,
        num_features: int,
        hidden_size: int,
        num_layers: int,
        intermediate_size: int,
        n_fft: int,
        hop_length: int,
        num_conditions: int | None = None,
    ):
        super().__init__()
        self.n_fft, self.hop_length = n_fft, hop_length
        self.embed = nn.Conv1d(num_features, hidden_size, kernel_size=7, padding=3)
        self.norm = _norm(hidden_size, num_conditions)
        block = partial(ConvNeXtBlock, hidden_size, intermediate_size, 1 / num_layers, num_conditions)
        self.blocks = nn.ModuleList(block() for _ in range(num_layers))
        self.final_norm = nn.LayerNorm(hidden_size, eps=_EPS)
        self.head = nn.Linear(hidden_size, n_fft + 2)  # log magnitude and phase of n_fft // 2 + 1 bins

    def spectrum(self, features: torch.Tensor, condition: int | None = None) -> torch.Tensor:
        """Features [B, num_features, T] -> complex64 [B, n_fft // 2 + 1, T]."""
        hidden = self.norm(self.embed(features).transpose(1, 2), condition)  # [B, T, E]
        for block in self.blocks:
            hidden = block(hidden, condition)
        hidden = self.final_norm(hidden).float()
        with torch.autocast(hidden.device.type, enabled=False):  # a phase in bfloat16 would be off by a hundredth
            head = F.linear(hidden, self.head.weight.float(), self.head.bias.float()).transpose(1, 2)
            log_magnitude, phase = head.chunk(2, dim=1)
            return torch.polar(log_magnitude.exp().clamp_max(_MAX_MAGNITUDE), phase)

    def forward(self, features: torch.Tensor, condition: int | None = None) -> torch.Tensor:
        """Features [B, num_features, T] -> float32 waveform [B, T * hop_length].

        Args:
            condition: row of the conditional LayerNorms; None for a plain decoder.
        """
        spectrum = self.spectrum(features.to(self.embed.weight.dtype), condition)
        with torch.autocast(features.device.type, enabled=False):
            return inverse_stft(spectrum, self.n_fft, self.hop_length)


def init_decoder_weights(decoder: VocosDecoder, std: float) -> None:
    """Fresh weights, for what Transformers hasn't loaded: normal ones, norms that do nothing, gains of 1 / layers.

    Args:
        std: standard deviation of the weights of convolutions and linear layers.
    """
    for module in decoder.modules():
        if isinstance(module, nn.Linear | nn.Conv1d):
            init.normal_(module.weight, std=std)
            init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, AdaptiveLayerNorm):
            init.ones_(module.scale)
            init.zeros_(module.shift)
        elif isinstance(module, ConvNeXtBlock):
            init.constant_(module.gamma, 1 / len(decoder.blocks))


__all__ = ["AdaptiveLayerNorm", "ConvNeXtBlock", "VocosDecoder", "init_decoder_weights", "inverse_stft"]
