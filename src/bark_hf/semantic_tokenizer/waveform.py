"""What every tokenizer does first: check the samples, bring them to one rate and to one loudness.

Knows samples and rates; must not know features, networks or tokens.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

LOUDNESS = 0.1  # RMS of the loud frames after `normalise_loudness`, full scale being 1
MAX_GAIN = 100.0  # silence stays silence: nothing is made more than 40 dB louder
_LOUD = 1e-3  # frames within 30 dB of the loudest frame's power count as loud


def prepare_waveform(audio: Any, sampling_rate: int, target_rate: int) -> torch.Tensor:
    """Mono samples at the rate that a tokenizer needs.

    Args:
        audio: float or integer [n], NumPy or torch; integers are taken as PCM, full scale being their type's.
        sampling_rate: samples per second of `audio`.
        target_rate: samples per second wanted.

    Returns:
        float32 tensor [n * target_rate // sampling_rate] on the CPU.

    Raises:
        ValueError: for more than one channel, no samples, NaN or infinity, or a rate that can't be.
    """
    samples = as_float32(audio)
    if samples.ndim != 1:
        shape = list(samples.shape)
        raise ValueError(f"audio has shape {shape}; mono samples [n] are needed; take one channel or their mean")
    if samples.size == 0:
        raise ValueError("audio has 0 samples; there is nothing to tokenize; check the file")
    if bad := int((~np.isfinite(samples)).sum()):
        raise ValueError(
            f"{bad} of {samples.size} samples are NaN or infinite; sound needs finite numbers; mend the source"
        )
    if not isinstance(sampling_rate, (int, np.integer)) or sampling_rate < 1:
        raise ValueError(f"sampling_rate is {sampling_rate!r}; it must be a whole number from 1 on, in Hz")
    return torch.from_numpy(resample(samples, int(sampling_rate), target_rate))


def as_float32(audio: Any) -> np.ndarray:
    """Samples as float32, whatever they were; PCM integers are divided by their type's full scale.

    Raises:
        ValueError: if `audio` isn't an array of numbers.
    """
    if isinstance(audio, torch.Tensor):
        audio = audio.detach().cpu()
        audio = audio.float().numpy() if audio.is_floating_point() else audio.numpy()
    array = np.asarray(audio)
    if array.dtype.kind == "i":
        return (array / -float(np.iinfo(array.dtype).min)).astype(np.float32)
    if array.dtype.kind != "f":
        raise ValueError(f"audio is of type {array.dtype}; float or signed integer samples are needed; convert it")
    return np.ascontiguousarray(array, dtype=np.float32)


def resample(samples: np.ndarray, rate: int, target_rate: int) -> np.ndarray:
    """float32 [n] -> float32 [n * target_rate // rate], by the SoX resampler at its high quality.

    Raises:
        ImportError: if the rates differ and `soxr` isn't installed.
    """
    if rate == target_rate:
        return samples
    try:
        import soxr
    except ImportError:
        raise ImportError(
            f"soxr is not installed; it resamples {rate} Hz to {target_rate} Hz; pip install 'bark-hf[train]'"
        ) from None
    n_samples = samples.shape[0] * target_rate // rate
    resampled = soxr.resample(samples, rate, target_rate)[:n_samples]
    return np.pad(resampled, (0, n_samples - resampled.shape[0])).astype(np.float32)


def normalise_loudness(waveform: torch.Tensor, frame_length: int) -> torch.Tensor:
    """One loudness for every recording: the RMS of its loud frames becomes `LOUDNESS`.

    Only frames within 30 dB of the loudest count, so that pauses don't matter.

    Args:
        waveform: float32 [n].
        frame_length: samples of one frame.

    Returns:
        float32 [n]; silence unchanged, nothing amplified by more than `MAX_GAIN`.
    """
    n_frames = max(1, waveform.shape[0] // frame_length)
    power = torch.stack([frame.square().mean() for frame in waveform.tensor_split(n_frames)])
    loud = power[power >= _LOUD * power.max()].mean().sqrt()
    gain = (LOUDNESS / loud.clamp_min(1e-12)).clamp_max(MAX_GAIN)
    return waveform * gain


__all__ = ["LOUDNESS", "MAX_GAIN", "as_float32", "normalise_loudness", "prepare_waveform", "resample"]
