"""Fitting k-means tokens: features of many recordings -> a projection -> centroids, by scikit-learn.

Knows features and clusters; must not know how recordings were found or how the result is judged.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import torch

from ..semantic_tokenizer import KMeansConfig, KMeansTokenizer
from .tokenizer_clips import NO_LABEL, LabelledClip, clip_waveform, frame_labels
from .tokenizer_recipe import TokenizerRecipe

MEL_BINS = 80  # of the log-mel, where there is no speech encoder
_BATCH = 8_192  # frames per step of MiniBatchKMeans


class Projection(NamedTuple):
    """y = (x - mean) @ matrix; mean float32 [F], matrix float32 [F, D]."""

    mean: np.ndarray
    matrix: np.ndarray


def fit_kmeans(recipe: TokenizerRecipe, training: list[LabelledClip]) -> KMeansTokenizer:
    """A tokenizer whose centroids stand for the training clips' frames.

    Raises:
        ValueError: for fewer frames than centroids, or a projection without labels.
        ImportError: without scikit-learn.
    """
    _require_sklearn()
    if recipe.encoder is None:
        empty = KMeansTokenizer(KMeansConfig(vocab_size=recipe.n_tokens, feature_size=MEL_BINS))
    else:
        empty = KMeansTokenizer.for_encoder(recipe.encoder, recipe.layer, recipe.n_tokens)
    features, labels = collect_frames(recipe, empty, training)
    if len(features) < recipe.n_tokens:
        raise ValueError(
            f"{len(training)} clips give {len(features)} frames for vocab_size={recipe.n_tokens} centroids; add "
            "recordings or lower vocab_size"
        )
    projection = fit_projection(recipe.projection, recipe.projected_size, features, labels)
    if projection is not None:
        features = (features - projection.mean) @ projection.matrix
    centroids = torch.from_numpy(cluster(features, recipe.n_tokens, recipe.seed))
    if projection is None:
        return empty.fitted(centroids)
    return empty.fitted(centroids, torch.from_numpy(projection.matrix), torch.from_numpy(projection.mean))


def collect_frames(
    recipe: TokenizerRecipe, tokenizer: KMeansTokenizer, clips: list[LabelledClip]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Features float32 [N, F] of clips in random order until `max_frames` are there; labels [N] if all have some."""
    rng = np.random.default_rng(recipe.seed)
    labelled = all(clip.labels for clip in clips)
    rows, labels, n_frames = [], [], 0
    for index in rng.permutation(len(clips)):
        clip = clips[index]
        with torch.no_grad():
            rows.append(tokenizer.features_of(clip_waveform(clip, tokenizer.config.sampling_rate)).numpy())
        if labelled:
            rate = tokenizer.rate_hz
            clip_labels = clip.labels or []
            labels.append(frame_labels(clip_labels, recipe.label_rate_hz or rate, len(rows[-1]), rate, str(clip.path)))
        n_frames += len(rows[-1])
        if n_frames >= recipe.max_frames:
            break
    features = np.concatenate(rows)[: recipe.max_frames].astype(np.float32)
    return features, np.concatenate(labels)[: recipe.max_frames] if labelled else None


def fit_projection(kind: str, size: int, features: np.ndarray, labels: np.ndarray | None) -> Projection | None:
    """Principal components ("pca"), or the directions that tell labels apart ("lda"); None for "none".

    Raises:
        ValueError: if there are fewer directions than asked for, or "lda" has no labels.
    """
    if kind == "none":
        return None
    _check_size(size, features.shape[1], "features per frame")
    if kind == "pca":
        from sklearn.decomposition import PCA

        pca = PCA(size, random_state=0).fit(features)
        return Projection(pca.mean_.astype(np.float32), pca.components_.T.astype(np.float32))
    if labels is None:
        raise ValueError("projection=lda needs labels, and not all clips have some; use pca, or add labels")
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    known = labels != NO_LABEL
    _check_size(size, len(np.unique(labels[known])) - 1, "classes less one")
    lda = LinearDiscriminantAnalysis(n_components=size).fit(features[known], labels[known])
    return Projection(lda.xbar_.astype(np.float32), lda.scalings_[:, :size].astype(np.float32))


def cluster(features: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Centroids float32 [n_clusters, D] of features [N, D]."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different frames than centroids: silence
        kmeans = MiniBatchKMeans(n_clusters, batch_size=_BATCH, n_init=3, random_state=seed).fit(features)
    return kmeans.cluster_centers_.astype(np.float32)


def _check_size(size: int, most: int, what: str) -> None:
    if size > most:
        raise ValueError(f"projected_size={size}, but there are {most} {what}; lower projected_size")


def _require_sklearn() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise ImportError("scikit-learn is not installed; it fits k-means; pip install 'bark-hf[train]'") from None


__all__ = ["Projection", "cluster", "collect_frames", "fit_kmeans", "fit_projection"]
