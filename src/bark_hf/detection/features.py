"""One vector per recording: mean and standard deviation over time of a speech encoder's, a codec's or mel features.

Suno's own classifier of Bark audio takes the mean of a HuBERT layer. Length, loudness, sampling rate and the silence
at the ends say more about a collection of files than about who spoke, so they are taken out first.
Knows sounds. Must not know labels or classifiers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..codec.mel.spectrogram import log_mel
from ..semantic_tokenizer.speech_encoder import SpeechEncoder
from ..training.prepare.encoding import load_codec
from ..training.prepare.sound import level_db, levelled, resample, speech_span

KINDS = ("mel", "codec", "encoder")
MEL_RATE, MEL_FFT, MEL_HOP, MEL_BANDS = 16_000, 1_024, 256, 80
LEAST_SECONDS = 0.5
_CHUNK_SECONDS = 20.0
_LEVEL_DB, _PEAK_DB, _SILENT_DB = -23.0, -1.0, -60.0  # as `bark-hf prepare` levels, and what it calls silent
_SILENCE_DB, _MARGIN_SECONDS = 40.0, 0.05


@dataclass(frozen=True)
class FeatureConfig:
    """Which features.

    Attributes:
        kind: "mel" (80 log-mel bands at 16 kHz; needs no other model), "codec" (what a codec's encoder makes) or
            "encoder" (a hidden layer of a Transformers speech encoder).
        source: folder or Hub name of the codec (or of a Bark checkpoint, or "demo") or the encoder; None for "mel".
        layer: hidden layer of the encoder; None for the others.
    """

    kind: str = "mel"
    source: str | None = None
    layer: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"features {self.kind!r} are unknown; they are {', '.join(KINDS)}; choose one of them")
        if (self.source is not None) != (self.kind != "mel"):
            said = "need a source: the folder or Hub name" if self.source is None else "have no source; leave it out"
            raise ValueError(f"{self.kind} features {said}")
        if (self.layer is not None) != (self.kind == "encoder"):
            said = "need a layer; HuBERT base has 0..12" if self.layer is None else "have no layer; leave it out"
            raise ValueError(f"{self.kind} features {said}")


class Features:
    """The loaded features of a `FeatureConfig`.

    Attributes:
        sampling_rate: that sounds are brought to, in Hz.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self.config = config
        self._network: Any = None
        self.sampling_rate = MEL_RATE
        if config.source is not None and config.layer is not None:
            self._network = SpeechEncoder(config.source, config.layer)
            self.sampling_rate = self._network.sampling_rate
        elif config.source is not None:
            self._network = load_codec(config.source)
            self.sampling_rate = self._network.config.sampling_rate
            if not hasattr(self._network, "log_mel") and not hasattr(self._network, "encoder"):
                raise ValueError(f"the codec of {config.source} has no encoder to take features from; use another")

    def __call__(self, samples: np.ndarray, sampling_rate: int) -> np.ndarray:
        """The vector of one recording.

        Args:
            samples: float32 [n], mono. sampling_rate: in Hz.

        Returns:
            float32 [2 * D]: means, then standard deviations, over all frames.

        Raises:
            ValueError: for less than 0.5 s of sound, silence, or NaN.
        """
        sound = torch.from_numpy(self._prepared(samples, sampling_rate))
        chunks = math.ceil(sound.shape[0] / (_CHUNK_SECONDS * self.sampling_rate))
        total, squares, n_frames = 0.0, 0.0, 0
        for chunk in sound.tensor_split(chunks):
            frames = self._frames(chunk).double().cpu().numpy()  # [T, D]
            total, squares = total + frames.sum(axis=0), squares + (frames**2).sum(axis=0)
            n_frames += frames.shape[0]
        mean = total / n_frames
        deviation = np.sqrt(np.maximum(squares / n_frames - mean**2, 0.0))
        return np.concatenate([mean, deviation]).astype(np.float32)

    def _prepared(self, samples: np.ndarray, sampling_rate: int) -> np.ndarray:
        """One rate, one loudness, no silence at the ends."""
        if not np.isfinite(samples).all():
            raise ValueError(f"{int((~np.isfinite(samples)).sum())} samples are NaN or infinite; make the file again")
        sound = np.asarray(resample(samples, sampling_rate, self.sampling_rate), dtype=np.float32)
        if level_db(sound) < _SILENT_DB:
            raise ValueError(f"it is silent ({level_db(sound):.0f} dB); at least {_SILENT_DB:g} dB are needed")
        start, end = speech_span(sound, self.sampling_rate, _SILENCE_DB, _MARGIN_SECONDS)
        if end - start < LEAST_SECONDS:
            raise ValueError(f"it has {end - start:.2f} s of sound; at least {LEAST_SECONDS:g} s are needed")
        return levelled(sound[round(start * self.sampling_rate) : round(end * self.sampling_rate)], _LEVEL_DB, _PEAK_DB)

    @torch.inference_mode()
    def _frames(self, sound: torch.Tensor) -> torch.Tensor:
        """float32 [n] at `sampling_rate` -> float [T, D]."""
        if self.config.kind == "mel":
            return log_mel(sound, MEL_RATE, MEL_FFT, MEL_HOP, MEL_BANDS).T
        if self.config.kind == "encoder":
            return self._network(sound)
        codec = self._network
        return codec.log_mel(sound).T if hasattr(codec, "log_mel") else codec.encoder(sound[None, None])[0].T


__all__ = ["KINDS", "LEAST_SECONDS", "FeatureConfig", "Features"]
