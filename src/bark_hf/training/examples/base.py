"""What the examples of all stages share: which clip, which draws, which layout.

Knows that an example is a pure function of (seed, epoch, index). Must not know tokens.
"""

from __future__ import annotations

import numpy as np
import torch
from datasets import Dataset

from ...generation_configuration_bark import BarkGenerationConfig
from .clips import Clips

IGNORED = -100  # label of a position that has none


class StageExamples(torch.utils.data.Dataset):
    """Examples of one stage, one per clip and epoch.

    Args:
        clips: prepared data, see `training.dataset.FEATURES`.
        generation_config: ids, rates and windows of the checkpoint to be trained.
        n_codebooks: codebooks that the stage needs.
        seed: of every draw; example i of an epoch depends on (seed, epoch, i) alone.
        history_probability: how often another clip of the same speaker is the voice in front, where there is one.
        full_layout: see the attribute.

    Attributes:
        epoch: whose examples are given; `set_epoch` changes it.
        full_layout: whether `collate` gives generation's padded layout; may be set at any time. False leaves the
            padding positions out, or masks them; position ids are the same. Training costs less so, and the last part
            of a run should use the full layout, because Bark attends to its padding.
        left_out: ids of the clips that the stage cannot be trained on.

    Raises:
        ValueError: for clips that do not fit the config (see `Clips`), or arguments outside their limits.
    """

    def __init__(
        self,
        clips: Dataset,
        generation_config: BarkGenerationConfig,
        n_codebooks: int,
        seed: int = 0,
        history_probability: float = 0.5,
        full_layout: bool = False,
    ):
        if not 0 <= history_probability <= 1:
            raise ValueError(f"history_probability={history_probability!r} must be a number from 0 to 1.")
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ValueError(f"seed={seed!r} must be an integer of at least 0.")
        self.config = generation_config
        self.clips = Clips(clips, generation_config, n_codebooks)
        self.seed, self.history_probability = seed, history_probability
        self.left_out: list[str] = []
        self._kept = np.arange(len(self.clips))
        self.epoch, self.full_layout = 0, full_layout

    def set_epoch(self, epoch: int) -> None:
        """Draw other windows and histories: those of `epoch`, an integer of at least 0."""
        if isinstance(epoch, bool) or not isinstance(epoch, (int, np.integer)) or epoch < 0:
            raise ValueError(f"epoch={epoch!r} must be an integer of at least 0.")
        self.epoch = int(epoch)

    def __len__(self) -> int:
        return len(self._kept)

    def _clip(self, i: int) -> int:
        """The clip of example i; IndexError behind the end, so that plain iteration ends."""
        if not -len(self) <= i < len(self):
            raise IndexError(f"Example {i} does not exist; there are {len(self)}.")
        return int(self._kept[i])

    def _rng(self, i: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.epoch, i % len(self)])


def tensor(values: np.ndarray) -> torch.Tensor:
    """Token ids of any integer type as an int64 tensor."""
    return torch.from_numpy(values.astype(np.int64))
