"""Log-mel frames <-> codes: normalise, rotate to principal components, quantise in residual steps.

Knows vectors and nearest neighbours; knows neither sound nor how the codebooks were found (`fitting`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

_CHUNK = 8192  # frames per distance matrix: 32 MB for 1,024 codes


def nearest(vectors: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    """Index of the nearest code vector (Euclidean) of each vector; the lowest index among equals.

    Args:
        vectors: float32 [N, C].
        codebook: float32 [V, C].

    Returns:
        int64 [N].
    """
    half_norms = codebook.square().sum(1) / 2  # |v - c|^2 / 2 = |v|^2 / 2 - v.c + |c|^2 / 2
    parts = [(half_norms - part @ codebook.T).argmin(1) for part in vectors.split(_CHUNK)]
    return torch.cat(parts)


class ResidualQuantizer(nn.Module):
    """Codebooks over the principal components of normalised log-mel frames.

    Buffers (all in the state dict, float):
        mean [bins] and scale []: a normalised frame is (frame - mean) / scale.
        components [C, bins]: principal axes, orthonormal rows.
        codebooks [K, V, C]: book k holds vectors of what books 0..k-1 leave over.
        fitted_frames [] int64: frames that these were found on; 0 means not yet.

    Args:
        num_mel_bins, n_components, num_quantizers, codebook_size: bins, C, K and V.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    components: torch.Tensor
    codebooks: torch.Tensor
    fitted_frames: torch.Tensor

    def __init__(self, num_mel_bins: int, n_components: int, num_quantizers: int, codebook_size: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_mel_bins))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("components", torch.zeros(n_components, num_mel_bins))
        self.register_buffer("codebooks", torch.zeros(num_quantizers, codebook_size, n_components))
        self.register_buffer("fitted_frames", torch.zeros((), dtype=torch.int64))

    @property
    def is_fitted(self) -> bool:
        """Whether the codebooks hold anything."""
        return bool(self.fitted_frames)

    def _exact(self) -> Any:
        """No autocast: distances in bfloat16 would give other codes in training than in use."""
        return torch.autocast(self.codebooks.device.type, enabled=False)

    def project(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Log-mel [B, bins, T] -> principal components float32 [B, T, C]."""
        with self._exact():
            centred = (log_mel.float().transpose(1, 2) - self.mean.float()) / self.scale.float()
            return centred @ self.components.float().T

    def encode(self, log_mel: torch.Tensor) -> torch.Tensor:
        """Log-mel [B, bins, T] -> codes int64 [B, K, T]. An item's codes don't depend on its neighbours."""
        with self._exact():
            return torch.stack([self._encode_item(self.project(item)[0]) for item in log_mel.split(1)])

    def _encode_item(self, residual: torch.Tensor) -> torch.Tensor:
        """Principal components [T, C] -> codes [K, T]."""
        books = []
        for codebook in self.codebooks.float():
            index = nearest(residual, codebook)
            residual = residual - codebook[index]
            books.append(index)
        return torch.stack(books)

    def normalised(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes int64 [B, k, T] with k <= K books -> normalised log-mel float32 [B, bins, T], about unit variance."""
        books = self.codebooks[: codes.shape[1]].float()
        total = torch.stack([F.embedding(codes[:, k], book) for k, book in enumerate(books)]).sum(0)  # [B, T, C]
        with self._exact():
            return (total @ self.components.float()).transpose(1, 2)

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes int64 [B, k, T] with k <= K books -> log-mel float32 [B, bins, T]."""
        return self.normalised(codes) * self.scale.float() + self.mean.float()[:, None]


__all__ = ["ResidualQuantizer", "nearest"]
