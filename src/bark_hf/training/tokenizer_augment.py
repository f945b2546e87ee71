"""Other voices, rooms and microphones out of the voices there are: changes of log-mel frames with their labels.

Everything happens in the log-mel domain, so a change costs a fraction of a millisecond and needs no sound. The
formant change is vocal tract length perturbation (Jaitly and Hinton, 2013). Knows frames; must not know networks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..codec.mel.spectrogram import LOG_FLOOR, hz_to_mel, mel_to_hz

SPEEDS = (0.85, 1.2)  # frames are squeezed or stretched by
FORMANTS = (0.82, 1.22)  # frequencies are multiplied by
EQUALISER = 0.5  # standard deviation of the frequency response, in nats of amplitude (4.3 dB)
GAIN = 0.35  # the same of the level
NOISE_DB = (5.0, 45.0)  # loud speech above the noise
CUTOFF_HZ = (3_000.0, 7_500.0)  # upper end of a narrow band
NOISE_SHARE, NARROW_SHARE = 0.6, 0.25  # of the examples


class MelShape(NamedTuple):
    """What a log-mel's bins are: sampling rate in Hz, number of bands."""

    sampling_rate: int
    num_mel_bins: int

    def centres(self) -> np.ndarray:
        """Mel of each band's peak, float64 [num_mel_bins]."""
        return np.linspace(0.0, hz_to_mel(self.sampling_rate / 2), self.num_mel_bins + 2)[1:-1]


def augment(
    features: np.ndarray, labels: np.ndarray, rng: np.random.Generator, shape: MelShape
) -> tuple[np.ndarray, np.ndarray]:
    """One example, as another speaker in another place might have said it.

    Args:
        features: float32 [S, bins], log-mel amplitudes in nats.
        labels: int64 [S].
        rng: where the changes are drawn from.
        shape: of the log-mel.

    Returns:
        features [S', bins] and labels [S'], S' being S divided by the speed.
    """
    features, labels = change_speed(features, labels, rng.uniform(*SPEEDS))
    features = shift_formants(features, shape, rng.uniform(*FORMANTS))
    features = features + _response(shape.num_mel_bins, rng) * EQUALISER + rng.normal() * GAIN
    if rng.random() < NOISE_SHARE:
        features = add_noise(features, rng.uniform(*NOISE_DB), rng)
    if rng.random() < NARROW_SHARE:
        features = narrow_band(features, shape, rng.uniform(*CUTOFF_HZ))
    return np.maximum(features, np.log(LOG_FLOOR)).astype(np.float32), labels


def change_speed(features: np.ndarray, labels: np.ndarray, speed: float) -> tuple[np.ndarray, np.ndarray]:
    """Frames [S, bins] and labels [S] read `speed` times as fast; labels from the nearest frame."""
    n_frames = max(1, round(features.shape[0] / speed))
    places = np.clip((np.arange(n_frames) + 0.5) * features.shape[0] / n_frames - 0.5, 0, features.shape[0] - 1)
    before = np.floor(places).astype(np.int64)
    after = np.minimum(before + 1, features.shape[0] - 1)
    share = (places - before)[:, None].astype(np.float32)
    return features[before] * (1 - share) + features[after] * share, labels[np.rint(places).astype(np.int64)]


def shift_formants(features: np.ndarray, shape: MelShape, factor: float) -> np.ndarray:
    """Frames [S, bins] with all frequencies multiplied by `factor`, as a shorter (> 1) or longer vocal tract does."""
    centres = shape.centres()
    sources = np.array([hz_to_mel(hz) for hz in mel_to_hz(centres) / factor])
    places = np.clip(np.interp(sources, centres, np.arange(len(centres))), 0, len(centres) - 1)
    before = np.floor(places).astype(np.int64)
    after = np.minimum(before + 1, len(centres) - 1)
    share = (places - before).astype(np.float32)
    return features[:, before] * (1 - share) + features[:, after] * share


def add_noise(features: np.ndarray, speech_above_noise_db: float, rng: np.random.Generator) -> np.ndarray:
    """Steady coloured noise added in power; speech's level is that of its loudest tenth of frames."""
    loud = np.quantile(features.max(axis=1), 0.9)
    level = loud - speech_above_noise_db * np.log(10) / 20
    colour = _response(features.shape[1], rng)
    flicker = 0.5 * np.log(rng.exponential(size=features.shape) + 1e-3)  # of a noise's power in one frame
    return np.logaddexp(2 * features, 2 * (level + colour + 0.5 * flicker)) / 2


def narrow_band(features: np.ndarray, shape: MelShape, cutoff_hz: float) -> np.ndarray:
    """Nothing above a frequency, as in a telephone or a strong compression."""
    beyond = mel_to_hz(shape.centres()) > cutoff_hz
    return np.where(beyond, np.log(LOG_FLOOR), features)


def _response(n_bins: int, rng: np.random.Generator) -> np.ndarray:
    """A smooth curve over the bands with a standard deviation of about 1."""
    places = np.linspace(0, np.pi, n_bins)
    waves = np.stack([np.cos(k * places) for k in range(1, 5)])
    weights = rng.normal(size=4) / np.array([1.0, 1.0, 1.5, 2.0])
    return weights @ waves / np.sqrt(1.35)


__all__ = ["MelShape", "add_noise", "augment", "change_speed", "narrow_band", "shift_formants"]
