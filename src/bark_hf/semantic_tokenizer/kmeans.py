"""Features -> the number of the nearest centroid: the tokens of HuBERT's and AudioLM's kind.

Knows features, a linear projection and centroids; must not know how they were fitted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import torch

from .base import SemanticTokenizer
from .mel_frames import mel_frames
from .speech_encoder import SpeechEncoder


@dataclass(frozen=True)
class KMeansConfig:
    """Settings of `KMeansTokenizer`.

    Attributes:
        vocab_size: centroids.
        feature_size: features per frame before the projection.
        projected_size: features per frame after it; None: there is no projection.
        encoder: folder or Hub name of a speech encoder; None: log-mel at one loudness.
        layer: the encoder's hidden state, see `SpeechEncoder`.
        sampling_rate: of the sound that features are made of, in Hz.
        hop_length: samples per token.
        n_fft: samples of one spectrum; log-mel only.
    """

    vocab_size: int
    feature_size: int
    projected_size: int | None = None
    encoder: str | None = None
    layer: int = 0
    sampling_rate: int = 16_000
    hop_length: int = 320
    n_fft: int = 640


class KMeansTokenizer(SemanticTokenizer):
    """A frame's token is the centroid nearest to its projected features.

    Args:
        config: sizes, and which features.
        encoder_folder: where the speech encoder is, if not where the configuration says.
    """

    tokenizer_type = "kmeans"
    config_class = KMeansConfig
    config: KMeansConfig

    def __init__(self, config: KMeansConfig, encoder_folder: str | None = None) -> None:
        super().__init__(config)
        source = encoder_folder or config.encoder
        self.encoder = None if source is None else SpeechEncoder(source, config.layer)
        size = config.feature_size
        if config.projected_size is not None:
            self.register_buffer("projection_mean", torch.zeros(size))
            self.register_buffer("projection", torch.zeros(size, config.projected_size))
            size = config.projected_size
        self.register_buffer("centroids", torch.zeros(config.vocab_size, size))

    @classmethod
    def from_files(cls, config: KMeansConfig, encoder: str | None) -> KMeansTokenizer:
        return cls(config, encoder)

    @classmethod
    def for_encoder(cls, encoder: str | os.PathLike[str], layer: int, vocab_size: int) -> KMeansTokenizer:
        """An unfitted tokenizer whose rate and sizes are the encoder's."""
        probe = SpeechEncoder(encoder, layer)
        config = KMeansConfig(
            vocab_size=vocab_size,
            feature_size=probe.feature_size,
            encoder=os.fspath(encoder),
            layer=layer,
            sampling_rate=probe.sampling_rate,
            hop_length=probe.hop_length,
        )
        return cls(config)

    @property
    def rate_hz(self) -> float:
        return self.config.sampling_rate / self.config.hop_length

    @property
    def vocab_size(self) -> int:
        return self.config.vocab_size

    def fitted(
        self, centroids: torch.Tensor, projection: torch.Tensor | None = None, mean: torch.Tensor | None = None
    ) -> KMeansTokenizer:
        """A tokenizer of the same features with these numbers.

        Args:
            centroids: float [V, D].
            projection: float [F, D], applied to the features less `mean`; None: D is F.
            mean: float [F].
        """
        size = None if projection is None else projection.shape[1]
        tokenizer = KMeansTokenizer(replace(self.config, vocab_size=centroids.shape[0], projected_size=size))
        tokenizer.centroids.copy_(centroids)
        if projection is not None and mean is not None:
            tokenizer.projection.copy_(projection)
            tokenizer.projection_mean.copy_(mean)
        return tokenizer

    def features_of(self, waveform: torch.Tensor) -> torch.Tensor:
        """float32 [n] at the configuration's rate -> float32 [S, feature_size], before the projection.

        Raises:
            ValueError: if there is less than one frame of sound.
        """
        if self.encoder is not None:
            return self.encoder(waveform).float()
        config = self.config
        return mel_frames(waveform, config.sampling_rate, config.hop_length, config.n_fft, config.feature_size)

    def nearest(self, features: torch.Tensor) -> torch.Tensor:
        """float [S, feature_size] -> int64 [S], by Euclidean distance after the projection."""
        features = features.to(self.centroids.device)
        if self.config.projected_size is not None:
            features = (features - self.projection_mean) @ self.projection
        # |x - c|^2 without |x|^2, which is the same for all c
        scores = self.centroids.square().sum(dim=1) - 2 * features @ self.centroids.T
        return scores.argmin(dim=1)

    def tokens_of(self, waveform: torch.Tensor) -> torch.Tensor:
        return self.nearest(self.features_of(waveform))


__all__ = ["KMeansConfig", "KMeansTokenizer"]
