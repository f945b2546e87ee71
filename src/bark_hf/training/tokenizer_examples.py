"""Clips -> features and labels of one length: what a tokenizer's network is trained on.

Knows clips, features and the order-independent randomness of examples; must not know the training loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from ..tokens import pad_stack
from .tokenizer_clips import NO_LABEL, LabelledClip, clip_waveform, frame_labels

CACHE_BYTES = 2_000_000_000  # features kept in memory; those beyond are made again in each pass
Change = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]


class Frames(NamedTuple):
    """One clip: features float16 or float32 [S, F], labels int64 [S]."""

    features: np.ndarray
    labels: np.ndarray


class TokenizerExamples(Dataset):
    """Examples of a network tokenizer.

    Item i of epoch e is the same in every run of the same seed.

    Args:
        clips: with labels.
        features_of: waveform float32 [n] -> features [S, F].
        sampling_rate: of that waveform, in Hz.
        frame_rate: of the features, in Hz.
        label_rate: of the labels, in Hz.
        crop_frames: longer clips are cut to a random piece of so many frames; None: never.
        change: what is done to features and labels; None: nothing.
        seed: of crops and changes.
    """

    def __init__(
        self,
        clips: list[LabelledClip],
        features_of: Callable[[torch.Tensor], torch.Tensor],
        *,
        sampling_rate: int,
        frame_rate: float,
        label_rate: float,
        crop_frames: int | None = None,
        change: Change | None = None,
        seed: int = 0,
    ) -> None:
        self.clips, self.features_of, self.sampling_rate = clips, features_of, sampling_rate
        self.frame_rate, self.label_rate = frame_rate, label_rate
        self.crop_frames, self.change, self.seed = crop_frames, change, seed
        self.epoch = 0
        self.full_layout = False  # asked for by `order.RunExamples`; frames have one layout only
        self._cache: dict[int, Frames] = {}
        self._cached_bytes = 0

    @property
    def lengths(self) -> list[int]:
        """Labels per clip, the crop being the most: what batches are grouped by."""
        most = self.crop_frames or 10**9
        return [min(most, len(clip.labels or ())) for clip in self.clips]

    def set_epoch(self, epoch: int) -> None:
        """Crops and changes of another pass over the data."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.clips)

    def frames(self, index: int) -> Frames:
        """A clip's features and labels, whole and unchanged."""
        if index in self._cache:
            return self._cache[index]
        clip = self.clips[index]
        with torch.no_grad():
            features = self.features_of(clip_waveform(clip, self.sampling_rate)).cpu().numpy().astype(np.float16)
        labels = frame_labels(clip.labels or [], self.label_rate, len(features), self.frame_rate, str(clip.path))
        frames = Frames(features, labels)
        if self._cached_bytes + features.nbytes <= CACHE_BYTES:
            self._cache[index] = frames
            self._cached_bytes += features.nbytes
        return frames

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng((self.seed, self.epoch, index))
        features, labels = self.frames(index)
        if self.crop_frames is not None and len(features) > self.crop_frames:
            start = int(rng.integers(len(features) - self.crop_frames + 1))
            features, labels = (part[start : start + self.crop_frames] for part in (features, labels))
        features = features.astype(np.float32)
        if self.change is not None:
            features, labels = self.change(features, labels, rng)
        return {"input_features": torch.from_numpy(features), "labels": torch.from_numpy(labels)}

    @staticmethod
    def collate(examples: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """A batch: input_features [B, S, F] and attention_mask [B, S] padded with 0, labels [B, S] with -100."""
        lengths = torch.tensor([len(example["labels"]) for example in examples])
        return {
            "input_features": pad_stack([example["input_features"].T for example in examples]).transpose(1, 2),
            "attention_mask": (torch.arange(int(lengths.max())) < lengths[:, None]).long(),
            "labels": pad_stack([example["labels"] for example in examples], NO_LABEL),
        }


__all__ = ["Frames", "TokenizerExamples"]
