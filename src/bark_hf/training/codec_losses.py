"""What a decoded waveform is judged by: spectra at several resolutions, and a discriminator's opinion.

Knows waveforms and scores; knows no codec. Everything is float32: autocast is off inside.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from ..codec.mel.spectrogram import log_mel, magnitudes

STFT_SIZES = (256, 512, 1024)  # windows in samples, half overlapping: from pitch pulses to harmonics
_STFT_FLOOR = 1e-4  # 80 dB below full scale: the log of what nobody hears isn't worth a gradient
Features = list[torch.Tensor]


def mel_l1(predicted: torch.Tensor, target: torch.Tensor, sampling_rate: int) -> torch.Tensor:
    """Mean absolute difference of the 100-band log-mel spectrograms, in natural log units.

    Args:
        predicted, target: float [B, n] at `sampling_rate`.
    """
    return F.l1_loss(log_mel(predicted, sampling_rate), log_mel(target, sampling_rate))


def stft_loss(predicted: torch.Tensor, target: torch.Tensor, sizes: Sequence[int] = STFT_SIZES) -> torch.Tensor:
    """Spectral convergence plus mean absolute log-magnitude difference, averaged over the window sizes.

    Spectral convergence of an item is |S - S'| / |S| in Frobenius norms (arXiv 1910.11480), averaged over the batch.

    Args:
        predicted, target: float [B, n].
    """
    total = predicted.new_zeros((), dtype=torch.float32)
    with torch.autocast(predicted.device.type, enabled=False):
        for size in sizes:
            guess, truth = (magnitudes(audio.float(), size, size // 2) for audio in (predicted, target))
            norm = truth.flatten(1).norm(dim=1).clamp_min(_STFT_FLOOR)
            total = total + ((truth - guess).flatten(1).norm(dim=1) / norm).mean()
            total = total + F.l1_loss(guess.clamp_min(_STFT_FLOOR).log(), truth.clamp_min(_STFT_FLOOR).log())
    return total / len(sizes)


def discriminator_hinge(real: Sequence[torch.Tensor], fake: Sequence[torch.Tensor]) -> torch.Tensor:
    """What discriminators minimise: real scores above 1, fake ones below -1; the mean over discriminators."""
    losses = [F.relu(1 - r.float()).mean() + F.relu(1 + f.float()).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(losses).mean()


def generator_hinge(fake: Sequence[torch.Tensor]) -> torch.Tensor:
    """What the decoder minimises: fake scores below 1; the mean over discriminators."""
    return torch.stack([F.relu(1 - f.float()).mean() for f in fake]).mean()


def feature_matching(real: Sequence[Features], fake: Sequence[Features]) -> torch.Tensor:
    """Mean absolute difference of the discriminators' inner activations, relative to the real ones' size."""
    pairs = [pair for r, f in zip(real, fake, strict=True) for pair in zip(r, f, strict=True)]
    losses = [F.l1_loss(f.float(), r.float()) / r.float().abs().mean().clamp_min(1e-3) for r, f in pairs]
    return torch.stack(losses).mean()


__all__ = ["discriminator_hinge", "feature_matching", "generator_hinge", "mel_l1", "stft_loss"]
