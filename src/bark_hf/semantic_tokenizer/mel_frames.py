"""A recording as log-mel frames at one loudness: the features that need no speech encoder."""

from __future__ import annotations

import torch

from ..codec.mel.spectrogram import log_mel
from .waveform import normalise_loudness


def mel_frames(
    waveform: torch.Tensor, sampling_rate: int, hop_length: int, n_fft: int, num_mel_bins: int
) -> torch.Tensor:
    """Log-mel of one recording, one row per token.

    Args:
        waveform: float32 [n].
        sampling_rate: samples per second.
        hop_length: samples per token.
        n_fft: samples of one spectrum.
        num_mel_bins: bands.

    Returns:
        float32 [n // hop_length, num_mel_bins].

    Raises:
        ValueError: if there is less than one frame of sound.
    """
    if waveform.shape[0] < hop_length:
        raise ValueError(
            f"{waveform.shape[0] / sampling_rate:.4f} s of sound are shorter than one frame of "
            f"{hop_length / sampling_rate:g} s; give a longer recording"
        )
    waveform = normalise_loudness(waveform, hop_length)
    return log_mel(waveform, sampling_rate, n_fft, hop_length, num_mel_bins).T


__all__ = ["mel_frames"]
