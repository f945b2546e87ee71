"""Waveform -> log-mel spectrogram, the features of the codec and of the semantic tokenizer.

Knows signal processing; knows no network and no file.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch.nn import functional as F

LOG_FLOOR = 1e-5  # amplitude: 100 dB below full scale; below 16-bit noise there's nothing worth coding
# Slaney's mel scale: even steps of 200/3 Hz up to 1 kHz, from there 27 even steps of log frequency per factor 6.4.
_LINEAR_STEP_HZ = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_STEP_HZ
_LOG_STEP = math.log(6.4) / 27.0


def hz_to_mel(hz: float) -> float:
    """Slaney's mel of a frequency in Hz."""
    if hz < _BREAK_HZ:
        return hz / _LINEAR_STEP_HZ
    return _BREAK_MEL + math.log(hz / _BREAK_HZ) / _LOG_STEP


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """Frequencies in Hz, float64, of Slaney mels."""
    above = _BREAK_HZ * np.exp(_LOG_STEP * np.maximum(mel - _BREAK_MEL, 0.0))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_STEP_HZ, above)


@lru_cache(maxsize=8)
def mel_filterbank(sampling_rate: int, n_fft: int, num_mel_bins: int) -> np.ndarray:
    """Triangular filters with peak 1, float32 [num_mel_bins, n_fft // 2 + 1], from 0 Hz to half the sampling rate."""
    edges = mel_to_hz(np.linspace(0.0, hz_to_mel(sampling_rate / 2), num_mel_bins + 2))  # Hz: left, peak, right of each
    bins = np.linspace(0.0, sampling_rate / 2, n_fft // 2 + 1)  # Hz
    left, peak, right = (edges[i : i + num_mel_bins, None] for i in range(3))
    rising, falling = (bins - left) / (peak - left), (right - bins) / (right - peak)
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


def magnitudes(audio: torch.Tensor, n_fft: int, hop_length: int) -> torch.Tensor:
    """Hann-windowed short-time magnitudes, scaled so that a full-scale sine on a bin's centre gives 1.

    Args:
        audio: float32 [N, n].

    Returns:
        float32 [N, n_fft // 2 + 1, n // hop_length + 1]; frame t is centred on sample t * hop_length.
    """
    half = n_fft // 2
    mode = "reflect" if audio.shape[-1] > half else "constant"  # a mirror image needs more samples than it adds
    padded = F.pad(audio, (half, half), mode=mode)
    window = torch.hann_window(n_fft, device=audio.device)
    spectrum = torch.stft(
        padded, n_fft, hop_length, window=window * (2 / window.sum()), center=False, return_complex=True
    )
    return spectrum.abs()


def log_mel(
    audio: torch.Tensor,
    sampling_rate: int = 24_000,
    n_fft: int = 1280,
    hop_length: int = 320,
    num_mel_bins: int = 100,
) -> torch.Tensor:
    """Log-mel spectrogram in natural log units, from log(1e-5) = -11.5 (silence) to about 1.

    Args:
        audio: [..., n], full scale -1..1; clips shorter than half a window are padded with zeros, others mirrored.
        sampling_rate: samples per second of `audio`.
        n_fft: window in samples.
        hop_length: samples per frame.
        num_mel_bins: bands.

    Returns:
        float32 [..., num_mel_bins, n // hop_length]; frame t is centred on sample t * hop_length. Differentiable.

    Example:

    ```python
    >>> import torch
    >>> from bark_hf.codec.mel.spectrogram import log_mel
    >>> log_mel(torch.zeros(2, 24_000)).shape
    torch.Size([2, 100, 75])

    ```
    """
    frames = audio.shape[-1] // hop_length
    leading = audio.shape[:-1]
    if not frames or not audio.numel():
        return audio.new_zeros(*leading, num_mel_bins, frames, dtype=torch.float32)
    with torch.autocast(audio.device.type, enabled=False):
        flat = audio.reshape(-1, audio.shape[-1]).float()
        spectrum = magnitudes(flat, n_fft, hop_length)[..., :frames]
        bank = torch.from_numpy(mel_filterbank(sampling_rate, n_fft, num_mel_bins)).to(audio.device)
        return (bank @ spectrum).clamp_min(LOG_FLOOR).log().reshape(*leading, num_mel_bins, frames)


__all__ = ["LOG_FLOOR", "hz_to_mel", "log_mel", "magnitudes", "mel_filterbank", "mel_to_hz"]
