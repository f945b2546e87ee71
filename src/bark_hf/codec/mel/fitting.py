"""Finding a codec's codebooks: statistics, principal components, residual k-means (scikit-learn).

Knows frames and clusters; knows no file and no decoder. Needs the `train` extra.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch

from .modeling import BarkMelCodecModel
from .quantizer import nearest

_HELD_OUT_EVERY = 20  # clips; its second clip is the first one held out
_BATCH = 8192  # frames per k-means step: with 1,024 codes, 8 frames a code


class QuantizerFit(NamedTuple):
    """What a fit saw and how well it reconstructs.

    Attributes:
        clips: waveforms that were read.
        frames: frames that the codebooks were found on.
        mel_l1: item k - 1 is the mean absolute error of the log-mel (natural log units) with k books, on held-out
            clips (every twentieth), or on the frames of the fit where there was one clip only.
    """

    clips: int
    frames: int
    mel_l1: tuple[float, ...]


class _Reservoir:
    """A uniform sample of at most `limit` frames of a stream of unknown length."""

    def __init__(self, limit: int, rng: np.random.Generator):
        self.limit, self.rng = limit, rng
        self.parts: list[np.ndarray] = []
        self.frames: np.ndarray | None = None  # [limit, bins], once it is full
        self.seen = 0

    def add(self, frames: np.ndarray) -> None:
        if self.frames is None:
            room = self.limit - self.seen
            self.parts.append(frames[:room])
            self.seen += len(self.parts[-1])
            frames = frames[room:]
            if self.seen == self.limit:
                self.frames, self.parts = np.concatenate(self.parts), []
        if self.frames is not None and len(frames):
            places = self.rng.integers(0, self.seen + 1 + np.arange(len(frames)))  # frame i stays with chance limit / i
            kept = places < self.limit
            self.frames[places[kept]] = frames[kept]
            self.seen += len(frames)

    def take(self) -> np.ndarray:
        if self.frames is not None:
            return self.frames
        return np.concatenate(self.parts) if self.parts else np.empty((0, 0), np.float32)


def fit_quantizer(
    codec: BarkMelCodecModel,
    waveforms: Iterable[np.ndarray | torch.Tensor],
    *,
    max_frames: int = 300_000,
    seed: int = 0,
) -> QuantizerFit:
    """Find the codec's statistics, principal components and codebooks, in place.

    Memory is bounded by `max_frames` (100 bands: 400 bytes a frame); the waveforms are read once.

    Args:
        codec: its decoder is left as it is.
        waveforms: each float [n] at the codec's sampling rate.
        max_frames: frames kept for the fit, a uniform sample of all; the more, the better the codebooks.
        seed: of the sample and of k-means.

    Raises:
        ValueError: for a waveform that isn't [n] or has NaN or infinite samples, for fewer frames than codes, and
            for frames that don't differ (silence).
        ImportError: without scikit-learn.
    """
    rng = np.random.default_rng(seed)
    training, held_out = _Reservoir(max_frames, rng), _Reservoir(max(1, max_frames // 20), rng)
    clips = 0
    for clips, waveform in enumerate(waveforms, start=1):
        (held_out if clips % _HELD_OUT_EVERY == 2 else training).add(_frames(codec, waveform, clips))
    frames = training.take()
    if len(frames) < codec.config.codebook_size:
        raise ValueError(
            f"{clips} clips gave {len(frames)} frames for codebook_size={codec.config.codebook_size} codes; "
            "give more speech or choose smaller codebooks."
        )
    _fit(codec, torch.from_numpy(frames).to(codec.device), seed)
    judged = held_out.take() if held_out.seen else frames
    return QuantizerFit(clips, len(frames), reconstruction_errors(codec, torch.from_numpy(judged).T.to(codec.device)))


def _frames(codec: BarkMelCodecModel, waveform: np.ndarray | torch.Tensor, number: int) -> np.ndarray:
    """One waveform's log-mel frames, float32 [T, bins]."""
    audio = torch.as_tensor(waveform, device="cpu")
    if audio.ndim != 1:
        raise ValueError(f"clip {number} has shape {tuple(audio.shape)}; waveforms are [samples]: mix down first.")
    if not bool(audio.isfinite().all()):
        raise ValueError(f"clip {number} has NaN or infinite samples; repair or drop it.")
    with torch.no_grad():
        return codec.log_mel(audio.float()).T.contiguous().numpy()


def _fit(codec: BarkMelCodecModel, frames: torch.Tensor, seed: int) -> None:
    """Fill the quantiser's buffers from frames [N, bins]."""
    quantizer = codec.quantizer
    mean = frames.mean(0)
    centred = frames - mean
    scale = centred.square().mean().sqrt()
    if float(scale) < 1e-3:
        raise ValueError(f"all {len(frames)} frames are alike (spread {float(scale):.1e}); is the sound silent?")
    with torch.no_grad():
        components = _principal_axes(centred / scale, codec.config.n_components)
        for name, value in (("mean", mean), ("scale", scale), ("components", components)):
            getattr(quantizer, name).copy_(value)
        residual = quantizer.project(frames.T[None])[0]  # [N, C]; from the buffers, in whatever dtype they are stored
        for k in range(codec.config.num_quantizers):
            quantizer.codebooks[k].copy_(_cluster(residual, codec.config.codebook_size, seed + k))
            book = quantizer.codebooks[k].float()
            residual = residual - book[nearest(residual, book)]
        quantizer.fitted_frames.fill_(len(frames))


def _principal_axes(frames: torch.Tensor, n_components: int) -> torch.Tensor:
    """The `n_components` axes of largest variance, float32 [C, bins]; each one's largest entry is positive."""
    covariance = frames.double().T @ frames.double() / len(frames)
    axes = torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, :n_components].T  # eigenvalues come in rising order
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    return (axes * largest.sign()).float()


def _cluster(vectors: torch.Tensor, n_clusters: int, seed: int) -> torch.Tensor:
    """K-means centres float32 [n_clusters, C] of vectors [N, C]."""
    try:
        from sklearn.cluster import MiniBatchKMeans
    except ImportError as error:
        raise ImportError("Fitting codebooks needs scikit-learn: pip install bark-hf[train]") from error

    kmeans = MiniBatchKMeans(n_clusters, batch_size=_BATCH, n_init=1, max_iter=20, random_state=seed)
    return torch.from_numpy(kmeans.fit(vectors.cpu().numpy()).cluster_centers_).float()


@torch.no_grad()
def reconstruction_errors(codec: BarkMelCodecModel, log_mel: torch.Tensor) -> tuple[float, ...]:
    """Mean absolute log-mel error (natural log units) of frames [bins, T] with 1, 2, ... all books."""
    quantizer = codec.quantizer
    codes = quantizer.encode(log_mel[None])
    books = range(1, codec.config.num_quantizers + 1)
    return tuple(float((quantizer.decode(codes[:, :k])[0] - log_mel).abs().mean()) for k in books)


__all__ = ["QuantizerFit", "fit_quantizer", "reconstruction_errors"]
