"""Coarse stage: one window as generation forms it, with the ids that it adds as labels.

Knows the windows through `generation.coarse.CoarseItem`. Must not know text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from datasets import Dataset

from ... import tokens as rules
from ...generation.coarse import CoarseItem
from ...generation_configuration_bark import BarkGenerationConfig
from ...tokens import pad_stack
from .base import IGNORED, StageExamples, tensor


class CoarseExample(NamedTuple):
    """One window: ids and labels int64 [N], semantic padding included, and how many semantic tokens are not padding."""

    ids: torch.Tensor
    labels: torch.Tensor
    n_seen: int


class CoarseExamples(StageExamples):
    """Examples for `BarkCoarseModel`: `network(**examples.collate([examples[0], examples[1]])).loss`.

    A clip's window is drawn anew in each epoch. Code frames that the semantic tokens do not cover are not used.

    Args:
        clips, generation_config, seed, history_probability, full_layout: see `StageExamples`.
        label_history: also label the clip's own ids in front of the new ones: next-token predictions as good as the
            others, so that a window teaches several times more. A clip whose window never moves is then one example,
            its last window. False labels the new ids alone.

    A clip too short for one frame is left out; `left_out` has its id.
    """

    def __init__(
        self,
        clips: Dataset,
        generation_config: BarkGenerationConfig,
        *,
        seed: int = 0,
        history_probability: float = 0.5,
        full_layout: bool = False,
        label_history: bool = True,
    ):
        self.stage, self.rules = generation_config.coarse_acoustics_config, generation_config.coarse_rules()
        n_codebooks = self.stage.n_coarse_codebooks
        super().__init__(clips, generation_config, n_codebooks, seed, history_probability, full_layout)
        self.label_history = label_history
        covered = np.array([self.rules.n_steps(int(n)) for n in self.clips.n_semantic])
        self._n_ids = np.minimum(covered, self.clips.n_frames * n_codebooks)
        self._kept = self.clips.require(self._n_ids > 0, "semantic tokens of a clip must cover at least 1 code frame.")
        self.left_out = [self.clips.ids[i] for i in np.flatnonzero(self._n_ids == 0)]

    def __getitem__(self, i: int) -> CoarseExample:
        clip, rng = self._clip(i), self._rng(i)
        voice = self.clips.history(clip, self.history_probability, rng)
        item = CoarseItem(tensor(self.clips.semantic(clip)), cast(Any, voice), self.config)
        codes = tensor(self.clips.codes(clip)[:, : self._n_ids[clip] // self.stage.n_coarse_codebooks])
        flat = rules.flatten_codes(codes, self.config.semantic_config.semantic_vocab_size, self.config.codebook_size)
        return self._window(item, flat, self._draw_window(item, flat.shape[0], rng))

    def _draw_window(self, item: CoarseItem, n_ids: int, rng: np.random.Generator) -> int:
        """How many ids are in front of the window's new ones."""
        last = (n_ids - 1) // self.stage.sliding_window_len
        drawn, behind = int(rng.integers(last + 1)), last * self.stage.sliding_window_len
        never_moves = (
            self.rules.semantic_start(item.n_history, behind) == 0
            and item.history.shape[0] + behind <= self.rules.max_history
        )
        return behind if self.label_history and never_moves else drawn * self.stage.sliding_window_len

    def _window(self, item: CoarseItem, flat: torch.Tensor, done: int) -> CoarseExample:
        prompt = item.prompt(flat[:done])
        ids = torch.cat([prompt, flat[done : done + self.stage.sliding_window_len]])
        first = prompt.shape[0]  # of the labelled ids
        if self.label_history:
            n_front = min(done, self.rules.max_history)
            # Right behind the infer token, generation predicts the first id of all alone: after a cut, no label there.
            cut = item.history.shape[0] + done > self.rules.max_history and n_front == self.rules.max_history
            first -= n_front - int(cut)
        labels = torch.full_like(ids, IGNORED)
        labels[first:] = ids[first:]
        start = self.rules.semantic_start(item.n_history, done)
        return CoarseExample(ids, labels, min(self.rules.input_length, item.semantic.shape[0] - start))

    @property
    def lengths(self) -> list[int]:
        """Positions of each example's longest window in the short layout without history, for grouping by length."""
        ids = np.minimum(self._n_ids, self.rules.max_history + self.stage.sliding_window_len)
        seen = np.minimum(self.clips.n_semantic, self.rules.input_length)
        return (ids + seen + 1)[self._kept].tolist()

    def collate(self, examples: Sequence[CoarseExample]) -> dict[str, torch.Tensor]:
        """A batch for `BarkCoarseModel.forward`.

        Returns:
            int64 input_ids, labels, position_ids, attention_mask [B, N]: semantic tokens (in the full layout padded to
            `max_coarse_input_length`), infer token, coarse ids. Labels are coarse ids as they are fed.
        """
        rows = [self._row(example) for example in examples]
        pads = (self.stage.coarse_semantic_pad_token, IGNORED, 0)
        ids, labels, positions = (
            pad_stack(list(column), pad) for column, pad in zip(zip(*rows, strict=True), pads, strict=True)
        )
        lengths = torch.tensor([row[0].shape[0] for row in rows])
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        return {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "labels": labels}

    def _row(self, example: CoarseExample) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """ids, labels, position ids of one example in the layout that is set."""
        positions = torch.arange(example.ids.shape[0])
        positions[-1] -= 1  # fed to carry its label; nothing sees it, and block_size may end in front of it
        if self.full_layout:
            return example.ids, example.labels, positions
        kept = torch.cat([torch.arange(example.n_seen), torch.arange(self.rules.input_length, example.ids.shape[0])])
        return example.ids[kept], example.labels[kept], positions[kept]
