"""Semantic stage: text ids and history in the prompt, then the clip's tokens and the end mark as labels.

Knows the layout of the semantic prompt (`generation.semantic.semantic_prompt`). Must not know codes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from ...generation.semantic import semantic_prompt
from ...generation_configuration_bark import BarkGenerationConfig
from ...text_inputs import tokenize
from ...tokens import pad_stack
from .base import IGNORED, StageExamples, tensor
from .clips import Clips, ClipVoice


class SemanticExample(NamedTuple):
    """One clip: tokenizer ids int64 [N], a history or None, semantic tokens int64 [S]."""

    text: torch.Tensor
    voice: ClipVoice | None
    semantic: torch.Tensor


class SemanticExamples(StageExamples):
    """Examples for `BarkSemanticModel`: `network(**examples.collate([examples[0], examples[1]])).loss`.

    Args:
        clips, generation_config, seed, history_probability, full_layout: see `StageExamples`.
        tokenizer: the checkpoint's tokenizer, or any function text -> list of ids.

    A text of more than `max_input_semantic_length` ids is cut there, as in generation, with one warning that counts.
    A clip of `max_new_tokens` tokens or more, of which generation could not draw the end, is left out, with one
    warning that counts; `left_out` has its id.

    Raises:
        ValueError: see `StageExamples`; for a text without ids; if no clip is short enough.
    """

    def __init__(
        self,
        clips: Dataset,
        generation_config: BarkGenerationConfig,
        *,
        tokenizer: PreTrainedTokenizerBase | Callable[[str], list[int]],
        seed: int = 0,
        history_probability: float = 0.5,
        full_layout: bool = False,
    ):
        super().__init__(clips, generation_config, 0, seed, history_probability, full_layout)
        self.stage = generation_config.semantic_config
        self._texts = _text_ids(self.clips, tokenizer)
        self._check_texts()
        self._leave_out_long()

    def __getitem__(self, i: int) -> SemanticExample:
        clip = self._clip(i)
        voice = self.clips.history(clip, self.history_probability, self._rng(i))
        return SemanticExample(tensor(self._texts[clip]), voice, tensor(self.clips.semantic(clip)))

    @property
    def lengths(self) -> list[int]:
        """Positions of each example in the short layout without history, for grouping by length."""
        return [
            min(len(self._texts[i]), self.stage.max_input_semantic_length) + self.clips.n_semantic[i] + 2
            for i in self._kept.tolist()
        ]

    def collate(self, examples: Sequence[SemanticExample]) -> dict[str, torch.Tensor]:
        """A batch for `BarkSemanticModel.forward`.

        Returns:
            int64 input_ids, labels, position_ids, attention_mask [B, P + 1 + S + 1] and history_ids [B, P]: prompt
            block, infer token, tokens, end mark. P is `max_input_semantic_length`, or in the short layout the longest
            text or history of the batch. Labels: the tokens and the end mark.
        """
        stage, full = self.stage, self.full_layout
        text, history = semantic_prompt([e.text for e in examples], cast(Any, [e.voice for e in examples]), stage)
        used = torch.tensor([_prompt_length(e, stage.max_input_semantic_length) for e in examples])
        length = text.shape[1] if full else int(used.max())
        prompt_mask = (torch.arange(length) < used[:, None]).long().clamp(min=int(full))

        ends = torch.tensor([e.semantic.shape[0] for e in examples])[:, None]  # [B, 1]
        infer, end = torch.tensor([stage.semantic_infer_token]), torch.tensor([stage.eos_token_id])
        tail = pad_stack([torch.cat([infer, e.semantic, end]) for e in examples], stage.semantic_pad_token)
        at = torch.arange(tail.shape[1])
        labels = tail.masked_fill((at == 0) | (at > ends + 1), IGNORED)
        # The end mark is fed to carry its label; no position sees it, so it needs no position id of its own.
        positions = text.shape[1] + torch.minimum(at, ends)
        return {
            "input_ids": torch.cat([text[:, :length], tail], dim=1),
            "history_ids": history[:, :length],
            "attention_mask": torch.cat([prompt_mask, (at <= ends + 1).long()], dim=1),
            "position_ids": torch.cat([torch.arange(length).expand(len(examples), -1), positions], dim=1),
            "labels": torch.cat([torch.full((len(examples), length), IGNORED), labels], dim=1),
        }

    def _check_texts(self) -> None:
        longest, special = (
            self.stage.max_input_semantic_length,
            {self.stage.text_pad_token, self.stage.semantic_infer_token},
        )
        cut = [i for i, ids in enumerate(self._texts) if len(ids) > longest]
        for i, ids in enumerate(self._texts):
            if len(ids) == 0 or ids.min() < 0:
                found = "no text ids" if len(ids) == 0 else f"the text id {ids.min()}"
                raise ValueError(
                    f"Clip {self.clips.ids[i]!r}: the tokenizer gives {found} for {self.clips.texts[i][:60]!r}; needed "
                    "is at least 1 id, none below 0: correct the text or leave the clip out."
                )
            taken = special.intersection((np.unique(ids) + self.stage.text_encoding_offset).tolist())
            if taken:
                raise ValueError(
                    f"Clip {self.clips.ids[i]!r}: a text id plus text_encoding_offset={self.stage.text_encoding_offset}"
                    f" is {min(taken)}, which marks padding or the end of the prompt: use the checkpoint's tokenizer."
                )
        if cut:
            worst = max(cut, key=lambda i: len(self._texts[i]))
            warnings.warn(
                f"{len(cut)} of {len(self._texts)} texts have more than {longest} tokens and are cut there (the "
                f"longest, of clip {self.clips.ids[worst]!r}, has {len(self._texts[worst])}): split these clips.",
                stacklevel=4,
            )

    def _leave_out_long(self) -> None:
        limit = self.stage.max_new_tokens - 1  # one more is drawn: the end mark
        lengths = self.clips.n_semantic
        fits = lengths <= limit
        remedy = (
            f"semantic tokens of a clip are {limit} at most (max_new_tokens - 1): split the clips, or raise "
            "max_new_tokens in the checkpoint's generation_config.json."
        )
        self._kept = self.clips.require(fits, f"the shortest has {lengths.min()} semantic tokens; {remedy}")
        self.left_out = [self.clips.ids[i] for i in np.flatnonzero(~fits)]
        if self.left_out:
            warnings.warn(
                f"{len(self.left_out)} of {len(self.clips)} clips are left out, the first {self.left_out[0]!r}, the "
                f"longest with {lengths.max()} semantic tokens; {remedy}",
                stacklevel=4,
            )


def _prompt_length(example: SemanticExample, longest: int) -> int:
    """Positions of the prompt block that hold a text id or a history token."""
    n_history = 0 if example.voice is None else len(example.voice.semantic_prompt)
    return min(longest, max(example.text.shape[0], n_history))


def _text_ids(clips: Clips, tokenizer: Any) -> list[np.ndarray]:
    """Tokenizer ids of every text, white space normalised, int64 [N] each."""
    texts = [" ".join(text.split()) for text in clips.texts]
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        return [np.asarray(tokenizer(text), dtype=np.int64) for text in texts]
    try:
        rows = tokenize(tokenizer, texts)["input_ids"]
    except ValueError:
        for i, text in enumerate(texts):
            try:
                tokenize(tokenizer, [text])
            except ValueError as error:
                raise ValueError(f"Clip {clips.ids[i]!r}: {error}") from None
        raise
    return [np.asarray(row, dtype=np.int64) for row in rows]
