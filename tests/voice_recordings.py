"""Recordings for the tests of voices and detectors: syllables of known place and length, made by a formula."""

from __future__ import annotations

import copy

import numpy as np
import torch

from bark_hf import BarkModel

RATE = 24_000


def phrase(seconds: float, rate: int = RATE, pitch: float = 140.0) -> np.ndarray:
    """Harmonics of one pitch that swell and fade four times a second and don't stop: float64 [n], about -20 dB."""
    time = np.arange(round(seconds * rate)) / rate
    tone = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 12))
    return 0.12 * tone * (0.6 + 0.4 * np.cos(2 * np.pi * 4 * time))


def recording(
    layout: list[float], rate: int = RATE, noise: float = 1e-4, pitch: float = 140.0, seed: int = 0
) -> np.ndarray:
    """Pauses and phrases in turn, beginning with a pause, lengths in seconds: float32 [n] over faint noise."""
    parts = [
        phrase(seconds, rate, pitch) if number % 2 else np.zeros(round(seconds * rate))
        for number, seconds in enumerate(layout)
    ]
    sound = np.concatenate(parts)
    return (sound + noise * np.random.default_rng(seed).standard_normal(sound.shape[0])).astype(np.float32)


def with_discerning_codec(model: BarkModel) -> BarkModel:
    """A copy whose random codebooks lie where its encoder's outputs do: other sounds, other codes."""
    model = copy.deepcopy(model)
    codec, generator = model.codec_model, torch.Generator().manual_seed(0)
    with torch.no_grad():
        outputs = codec.encoder(torch.from_numpy(recording([0.2, 2.0, 0.2]))[None, None])[0].T  # [T, D]
        for number, layer in enumerate(codec.quantizer.layers):
            book = layer.codebook.embed
            noise = torch.randn(book.shape, generator=generator) * outputs.std(dim=0) / 2**number
            book.copy_(noise + outputs.mean(dim=0) * (number == 0))
    return model
