"""A take: what the model made of a piece, with everything that is needed to judge, keep and continue it.

Knows `BarkModel.generate` and the processor; knows nothing of pieces, voices' modes or files. Seeds come from here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..generation.inputs import voice_rules
from ..generation.semantic import token_limits
from ..generation_configuration_bark import BarkGenerationConfig
from ..voices import VoicePrompt, VoiceRules

Progress = Callable[[str, int, int], None]  # called as progress(stage, done, total)


def take_seed(seed: int, piece: int, take: int = 0) -> int:
    """The seed of one take: the first 32 bits of SHA-256 of "SEED/PIECE/TAKE", pieces and takes counted from 0.

    So a piece's sound depends on its own place and text, not on batches, on other pieces, or on how many takes there
    are; `BarkModel.generate(..., seed=take_seed(...))` with the same voice makes it again.
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{piece}/{take}".encode()).digest()[:4], "big")


@dataclass(frozen=True, eq=False)
class Take:
    """One try at a text.

    Attributes:
        text: what was to be said.
        seed: of `generate`.
        audio: float32 [samples].
        sampling_rate: samples per second.
        semantic: int64 [S] tokens. coarse: int64 [2, T], fine: int64 [8, T] codes.
        rules: rates and vocabularies of the checkpoint.
        hit_limit: whether the semantic stage ended at its limit, without EOS.
    """

    text: str
    seed: int
    audio: np.ndarray
    sampling_rate: int
    semantic: np.ndarray
    coarse: np.ndarray
    fine: np.ndarray
    rules: VoiceRules
    hit_limit: bool

    @property
    def seconds(self) -> float:
        """Of sound."""
        return self.audio.shape[0] / self.sampling_rate

    def voice(self) -> VoicePrompt | None:
        """The take as a voice, or None if it is too short to be one."""
        try:
            return VoicePrompt(self.semantic, self.coarse, self.fine, rules=self.rules)
        except ValueError:
            return None


class Job(NamedTuple):
    """One take to be made."""

    text: str
    voice: VoicePrompt | None
    seed: int


class TakeMaker:
    """Jobs -> takes.

    Args:
        model, processor: of one checkpoint.
        keywords: of `BarkModel.generate`, checked here.
        batch_size: jobs at once; takes do not depend on it.
        progress: the callback of `generate`.

    Raises:
        TypeError: for an unknown keyword. ValueError: for a value outside its limits.
    """

    _PROCESSORS = ("logits_processor", "semantic_logits_processor", "coarse_logits_processor")

    def __init__(
        self, model: Any, processor: Any, keywords: Mapping[str, Any], batch_size: int, progress: Progress | None = None
    ):
        self.model, self.processor, self.keywords = model, processor, dict(keywords)
        self.batch_size, self.progress = batch_size, progress
        options = {
            name: value for name, value in keywords.items() if name not in (*self._PROCESSORS, "generation_config")
        }
        base = keywords.get("generation_config")
        config = model.generation_config
        config = config if base is None else BarkGenerationConfig.from_any(base, base=config)
        self.config: BarkGenerationConfig = config.with_keywords(**options)

    @property
    def rules(self) -> VoiceRules:
        """Of the checkpoint."""
        return voice_rules(self.config)

    @property
    def most_tokens(self) -> int:
        """Semantic tokens that a take may have."""
        semantic = self.config.semantic_config
        return token_limits(semantic, [semantic.max_duration_s])[0]

    def make(self, jobs: Sequence[Job]) -> list[Take]:
        """All takes, in order."""
        takes: list[Take] = []
        for at in range(0, len(jobs), self.batch_size):
            takes += self._batch(jobs[at : at + self.batch_size])
        return takes

    def _batch(self, jobs: Sequence[Job]) -> list[Take]:
        inputs = self.processor([job.text for job in jobs], voice_preset=[job.voice for job in jobs])
        out = self.model.generate(
            **inputs.to(self.model.device),
            **self.keywords,
            seed=[job.seed for job in jobs],
            progress=self.progress,
            return_dict_in_generate=True,
        )
        takes = []
        for row, job in enumerate(jobs):
            n_tokens, n_frames = int(out.semantic_lengths[row]), int(out.code_lengths[row])
            # copies: a view of one take would keep the whole batch in memory
            takes.append(
                Take(
                    job.text,
                    job.seed,
                    out.waveform(row).float().cpu().numpy().copy(),
                    int(out.sampling_rate),
                    out.semantic_tokens[row, :n_tokens].cpu().numpy().copy(),
                    out.coarse_codes[row, :, :n_frames].cpu().numpy().copy(),
                    out.fine_codes[row, :, :n_frames].cpu().numpy().copy(),
                    self.rules,
                    n_tokens >= self.most_tokens,
                )
            )
        return takes


class NoMaker:
    """Stands where a `TakeMaker` would, in a result that was opened without a model."""

    batch_size = 1

    def __init__(self, rules: VoiceRules):
        self.rules = rules

    def make(self, jobs: Sequence[Job]) -> list[Take]:
        """Refuse."""
        raise ValueError("this result was opened without a model, so nothing can be made again; give open_long a model")


__all__ = ["Job", "NoMaker", "Progress", "Take", "TakeMaker", "take_seed"]
