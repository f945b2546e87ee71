"""Networks that tell recorded sound from decoded sound: by its periods (arXiv 2010.05646) and by its spectra.

Knows waveforms and scores; knows neither codecs nor losses. Small on purpose: they must run beside a decoder on a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from ..codec.mel.spectrogram import magnitudes

PERIODS = (2, 3, 5, 7)
WINDOWS = (512, 1024)
_FLOOR = 1e-4


class Judgement(NamedTuple):
    """What discriminators say of a batch.

    Attributes:
        scores: per discriminator, a map of scores; high means recorded.
        features: per discriminator, the activations of its layers.
    """

    scores: list[torch.Tensor]
    features: list[list[torch.Tensor]]


class _Stack(nn.Module):
    """Convolutions over time with leaky ReLU, and a last one that gives one channel of scores.

    Args:
        sizes: channels, from the input's to the last layer's.
        kernel, stride: of the layers, in positions.
    """

    def __init__(self, sizes: Sequence[int], kernel: int, stride: int):
        super().__init__()
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv1d(i, o, kernel, stride, kernel // 2)) for i, o in pairwise(sizes)
        )
        self.last = weight_norm(nn.Conv1d(sizes[-1], 1, 3, padding=1))

    def forward(self, signal: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """[N, channels, T] -> scores [N, 1, T'], activations."""
        features = []
        for layer in self.layers:
            signal = F.leaky_relu(layer(signal), 0.1)
            features.append(signal)
        return self.last(signal), features


class Discriminators(nn.Module):
    """One discriminator per period, which sees every p-th sample as one signal, and one per STFT window.

    All convolve over time alone (a spectrum's bins are channels): two-dimensional ones take ten times as long on a CPU.

    Args:
        channels: of the first layer over a period; doubled three times, which is also the width over spectra.
    """

    def __init__(self, channels: int = 8):
        super().__init__()
        rising = [channels * 2 ** min(i, 3) for i in range(5)]
        self.periods = nn.ModuleList(_Stack([1, *rising], kernel=5, stride=3) for _ in PERIODS)
        self.spectra = nn.ModuleList(_Stack([n // 2 + 1, *[8 * channels] * 4], kernel=5, stride=1) for n in WINDOWS)

    def forward(self, audio: torch.Tensor) -> Judgement:
        """Waveforms float [B, n] -> scores and activations."""
        judged = [stack(folded(audio, p)) for p, stack in zip(PERIODS, self.periods, strict=True)]
        judged += [stack(log_spectrum(audio, n)) for n, stack in zip(WINDOWS, self.spectra, strict=True)]
        return Judgement([scores for scores, _ in judged], [features for _, features in judged])


def folded(audio: torch.Tensor, period: int) -> torch.Tensor:
    """[B, n] -> [B * period, 1, ceil(n / period)]: signal r of an item has samples r, r + period, ...; zeros behind."""
    missing = -audio.shape[1] % period
    return F.pad(audio, (0, missing)).unflatten(1, (-1, period)).transpose(1, 2).flatten(0, 1)[:, None]


def log_spectrum(audio: torch.Tensor, n_fft: int) -> torch.Tensor:
    """[B, n] -> log magnitudes [B, n_fft // 2 + 1, T] about -1..1, half a window apart."""
    with torch.autocast(audio.device.type, enabled=False):
        return magnitudes(audio.float(), n_fft, n_fft // 2).clamp_min(_FLOOR).log() / 5 + 1


__all__ = ["Discriminators", "Judgement", "folded", "log_spectrum"]
