"""Networks that tell recorded sound from decoded sound: by its periods (arXiv 2010.05646) and by its spectra.

Knows waveforms and scores; knows neither codecs nor losses. Small on purpose: they must run beside a decoder on a CPU.
"""

from __future__ import annotations

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
    """Convolutions with leaky ReLU, and a last one that gives one channel of scores."""

    def __init__(self, channels: int, depth: int, kernel: tuple[int, int], stride: tuple[int, int]):
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        sizes = [1, *(channels * 2 ** min(i, 3) for i in range(depth))]
        self.layers = nn.ModuleList(weight_norm(nn.Conv2d(i, o, kernel, stride, padding)) for i, o in pairwise(sizes))
        self.last = weight_norm(nn.Conv2d(sizes[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """[B, 1, H, W] -> scores [B, 1, H', W'], activations."""
        features = []
        for layer in self.layers:
            image = F.leaky_relu(layer(image), 0.1)
            features.append(image)
        return self.last(image), features


class Discriminators(nn.Module):
    """One discriminator per period, which sees every p-th sample as a row, and one per STFT window.

    Args:
        channels: of the first layer; doubled three times.
    """

    def __init__(self, channels: int = 8):
        super().__init__()
        self.periods = nn.ModuleList(_Stack(channels, 5, (5, 1), (3, 1)) for _ in PERIODS)
        self.spectra = nn.ModuleList(_Stack(channels, 4, (3, 3), (2, 1)) for _ in WINDOWS)

    def forward(self, audio: torch.Tensor) -> Judgement:
        """Waveforms float [B, n] -> scores and activations."""
        judged = [stack(folded(audio, p)) for p, stack in zip(PERIODS, self.periods, strict=True)]
        judged += [stack(log_spectrum(audio, n)) for n, stack in zip(WINDOWS, self.spectra, strict=True)]
        return Judgement([scores for scores, _ in judged], [features for _, features in judged])


def folded(audio: torch.Tensor, period: int) -> torch.Tensor:
    """[B, n] -> [B, 1, ceil(n / period), period]; the end is mirrored."""
    missing = -audio.shape[1] % period
    return F.pad(audio[:, None], (0, missing), mode="reflect").unflatten(2, (-1, period))


def log_spectrum(audio: torch.Tensor, n_fft: int) -> torch.Tensor:
    """[B, n] -> log magnitudes [B, 1, n_fft // 2 + 1, T] about -1..1, a quarter window apart."""
    with torch.autocast(audio.device.type, enabled=False):
        return magnitudes(audio.float(), n_fft, n_fft // 4).clamp_min(_FLOOR).log()[:, None] / 5 + 1


__all__ = ["Discriminators", "Judgement", "folded", "log_spectrum"]
