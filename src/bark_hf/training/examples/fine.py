"""Fine stage: one window of frames as generation forms it, one codebook as labels.

Knows the windows through `generation.fine.FineItem`, and what generation feeds while it predicts a codebook. Must not
know text or semantic tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from datasets import Dataset

from ...generation.fine import FineItem
from ...generation_configuration_bark import BarkGenerationConfig
from .base import IGNORED, StageExamples, tensor


class FineExample(NamedTuple):
    """One window, and the codebook that this example would choose for its batch.

    Attributes:
        codes: int64 [N, n_codes], the true codes of the window's N frames, padding left out.
        fill: first frame that generation writes in this window.
        new: first frame that no window before has written; `fill` in the first window.
        filler: int64 [window - N], frames from which the padding takes its meaningless codes.
        codebook: `n_coarse_codebooks`..`n_fine_codebooks` - 1.
    """

    codes: torch.Tensor
    fill: int
    new: int
    filler: torch.Tensor
    codebook: int


class FineExamples(StageExamples):
    """Examples for `BarkFineModel`: `network(**examples.collate([examples[0], examples[1]])).loss`.

    A clip's window and codebook are drawn anew in each epoch. A batch has one codebook, the one that its first
    example has drawn, so it depends on the batch's content alone.

    Args:
        clips, generation_config, seed, history_probability, full_layout: see `StageExamples`.
        n_codes: codebooks that the network reads, its `n_codes_total`; default `n_fine_codebooks`.
        label_rewritten: where windows overlap, generation writes frames a second time and feeds what it has written
            before, so the network should learn to keep that. False labels new frames alone: a loss without these
            easy ones, for evaluation.
    """

    def __init__(
        self,
        clips: Dataset,
        generation_config: BarkGenerationConfig,
        *,
        seed: int = 0,
        history_probability: float = 0.5,
        full_layout: bool = False,
        n_codes: int | None = None,
        label_rewritten: bool = True,
    ):
        self.stage = generation_config.fine_acoustics_config
        self.n_given = generation_config.coarse_acoustics_config.n_coarse_codebooks
        wanted = self.stage.n_fine_codebooks
        self.n_codes = wanted if n_codes is None else n_codes
        if self.n_codes < wanted:
            raise ValueError(f"n_codes={n_codes} is below n_fine_codebooks={wanted}: give the network's n_codes_total.")
        super().__init__(clips, generation_config, wanted, seed, history_probability, full_layout)
        self.label_rewritten = label_rewritten

    def __getitem__(self, i: int) -> FineExample:
        clip, rng = self._clip(i), self._rng(i)
        voice = self.clips.history(clip, self.history_probability, rng)
        item = FineItem(tensor(self.clips.codes(clip)), cast(Any, voice), 0, self.config, self.n_codes)
        length, number = self.stage.max_fine_input_length, int(rng.integers(len(item.windows)))
        window = item.windows[number]
        n_frames = min(length, item.n_history + item.n_frames - window.start)
        fill = window.fill - window.start
        new = max(fill, item.windows[number - 1].start + length - window.start) if number else fill
        return FineExample(
            codes=item.codes[:, window.start : window.start + n_frames].T,
            fill=fill,
            new=new,
            filler=torch.from_numpy(rng.integers(fill, n_frames, length - n_frames)),
            codebook=int(rng.integers(self.n_given, self.stage.n_fine_codebooks)),
        )

    @property
    def lengths(self) -> list[int]:
        """Frames of each example in the short layout without history, for grouping by length."""
        return [min(n, self.stage.max_fine_input_length) for n in self.clips.n_frames.tolist()]

    def collate(self, examples: Sequence[FineExample]) -> dict[str, Any]:
        """A batch for `BarkFineModel.forward`.

        Returns:
            codebook_idx int; int64 input_ids [B, N, n_codes], labels, position_ids, attention_mask [B, N]. Frames to
            be predicted hold `codebook_size` from codebook `codebook_idx` on. N is `max_fine_input_length` in the
            full layout, whose padding is attended to (mask 1), or the longest window of the batch.
        """
        k, full = examples[0].codebook, self.full_layout
        longest = max(example.codes.shape[0] for example in examples)
        length = self.stage.max_fine_input_length if full else longest
        ids = torch.full((len(examples), length, self.n_codes), self.config.codebook_size)
        labels = torch.full((len(examples), length), IGNORED)
        mask = torch.full((len(examples), length), int(full))
        for row, example in enumerate(examples):
            n_frames = example.codes.shape[0]
            ids[row, :n_frames] = example.codes
            ids[row, example.new : n_frames, k:] = self.config.codebook_size
            if full:  # generation writes padding frames too, codebook by codebook, with codes that mean nothing
                ids[row, n_frames:, self.n_given : k] = example.codes[example.filler, self.n_given : k]
            first = example.fill if self.label_rewritten else example.new
            labels[row, first:n_frames] = example.codes[first:, k]
            mask[row, :n_frames] = 1
        positions = torch.arange(length).expand(len(examples), -1)
        return {
            "codebook_idx": k,
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": positions,
            "labels": labels,
        }
