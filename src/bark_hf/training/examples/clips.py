"""Prepared clips in memory: checked once, read fast, with other clips of the same speaker as history.

Knows the columns of prepared data and the ranges that a generation config allows. Must not know a stage's layout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset

from ...generation_configuration_bark import BarkGenerationConfig

FRAMES_OFF = 4  # code frames that a clip may have more or less than its semantic tokens say: edges of the analysers

MOST_JOINED = 8  # clips that make one voice


class ClipVoice(NamedTuple):
    """Clips in the place of a `VoicePrompt`: the same attributes, without copies and checks.

    Attributes:
        semantic_prompt: int [S]. coarse_prompt: int [n_coarse_codebooks, T]. fine_prompt: int [K, T].
    """

    semantic_prompt: np.ndarray
    coarse_prompt: np.ndarray
    fine_prompt: np.ndarray


class Clips:
    """All clips as flat arrays.

    Args:
        data: prepared data, see `training.dataset.FEATURES`.
        config: vocabularies and rates that the clips must fit.
        n_codebooks: codebooks that the stage needs; further ones are left away.

    Raises:
        ValueError: for a clip that is empty, holds ids outside the vocabulary, has fewer codebooks, or whose tokens
            and codes are not of the same length in seconds; and for data without rows.
    """

    def __init__(self, data: Dataset, config: BarkGenerationConfig, n_codebooks: int):
        if len(data) == 0:
            raise ValueError("The data has 0 clips; training needs at least 1: prepare it again.")
        self.config, self.n_codebooks = config, n_codebooks
        table = data.with_format("arrow").select_columns(["id", "text", "speaker", "semantic", "codes"])[:]
        self.ids, self.texts, self.speakers = (table.column(name).to_pylist() for name in ("id", "text", "speaker"))
        self._check_no_nulls(table)

        semantic, self.n_semantic = _flat(table.column("semantic").chunks)
        self._semantic, self._semantic_at = semantic, _starts(self.n_semantic)
        rows = [chunk.flatten() for chunk in table.column("codes").chunks]
        n_rows = np.concatenate([_lengths(chunk) for chunk in table.column("codes").chunks])
        self._codes, row_lengths = _flat(rows)
        self._n_rows, row_at = n_rows, _starts(n_rows)
        self._check(n_rows > 0, lambda i: "codes are empty; needed is at least 1 frame: leave the clip out.")
        self.n_frames = row_lengths[row_at[:-1]]
        same = np.minimum.reduceat(row_lengths, row_at[:-1]) == np.maximum.reduceat(row_lengths, row_at[:-1])
        self._check(same, lambda i: "codes have rows of different lengths; all need the same: prepare the clip again.")
        self._codes_at = _starts(row_lengths)[row_at[:-1]]
        self._check_values()
        self._group_speakers()

    def __len__(self) -> int:
        return len(self.ids)

    def semantic(self, i: int) -> np.ndarray:
        """Semantic tokens of clip i, int [S], a view."""
        return self._semantic[self._semantic_at[i] : self._semantic_at[i + 1]]

    def codes(self, i: int) -> np.ndarray:
        """Codes of clip i, int [n_codebooks, T], a view."""
        at, n_frames = self._codes_at[i], self.n_frames[i]
        return self._codes[at : at + self.n_codebooks * n_frames].reshape(self.n_codebooks, n_frames)

    def history(self, i: int, probability: float, rng: np.random.Generator) -> ClipVoice | None:
        """With `probability`, other clips of clip i's speaker; None if there is no other.

        Clips are drawn uniformly, at most `MOST_JOINED`, and joined until they last as long as a length drawn between
        one token and `max_input_semantic_length`: short clips too teach voices of every length.
        """
        draw = rng.random()
        others = self._of_speaker[self.speakers[i]]
        place = np.searchsorted(others, i)
        has_self = place < len(others) and others[place] == i
        n = len(others) - int(has_self)
        if draw >= probability or n == 0:
            return None
        wanted = int(rng.integers(1, self.config.semantic_config.max_input_semantic_length + 1))
        parts: list[ClipVoice] = []
        for chosen in rng.choice(n, size=min(n, MOST_JOINED), replace=False).tolist():
            parts.append(self._voice(others[chosen + int(has_self and chosen >= place)]))
            if sum(len(part.semantic_prompt) for part in parts) >= wanted:
                break
        return parts[0] if len(parts) == 1 else _joined(parts)

    def _voice(self, j: int) -> ClipVoice:
        """Clip j as a voice, tokens and codes cut to the same length in seconds."""
        ratio, codes = self._frames_per_token(), self.codes(j)
        n_semantic = max(1, min(len(self.semantic(j)), round(codes.shape[1] / ratio)))
        codes = codes[:, : max(1, round(n_semantic * ratio))]
        coarse = codes[: self.config.coarse_acoustics_config.n_coarse_codebooks]
        return ClipVoice(self.semantic(j)[:n_semantic], coarse, codes)

    def require(self, kept: np.ndarray, reason: str) -> np.ndarray:
        """Indices of the clips of mask `kept`; ValueError if there are none, saying `reason`."""
        if not kept.any():
            raise ValueError(f"None of the {len(self)} clips can be used: {reason}")
        return np.flatnonzero(kept)

    def _frames_per_token(self) -> float:
        return self.config.coarse_acoustics_config.coarse_rate_hz / self.config.semantic_config.semantic_rate_hz

    def _group_speakers(self) -> None:
        """Clips per speaker that generation would take as a voice: lengths that agree to one decimal (Suno's rule)."""
        fits = np.round(self.n_frames / self.n_semantic, 1) == round(self._frames_per_token(), 1)
        groups: dict[str, list[int]] = {speaker: [] for speaker in self.speakers}
        for i in np.flatnonzero(fits).tolist():
            groups[self.speakers[i]].append(i)
        self._of_speaker = {speaker: np.array(members, dtype=np.int64) for speaker, members in groups.items()}

    def _check_no_nulls(self, table: Any) -> None:
        for name in table.column_names:
            if table.column(name).null_count:
                i = table.column(name).is_null().to_pylist().index(True)
                raise ValueError(f"Clip {self.ids[i]!r} has no {name} (null); needed is a value: prepare it again.")

    def _check_values(self) -> None:
        vocab, size = self.config.semantic_config.semantic_vocab_size, self.config.codebook_size
        self._check(self.n_semantic > 0, lambda i: "semantic is empty; needed is at least 1 token: leave the clip out.")
        self._check(self.n_frames > 0, lambda i: "codes are empty; needed is at least 1 frame: leave the clip out.")
        self._check(
            self._n_rows >= self.n_codebooks,
            lambda i: (
                f"codes have {self._n_rows[i]} codebooks; this stage needs {self.n_codebooks}: prepare the clip "
                "with a codec that has them."
            ),
        )
        for name, values, starts, limit, field in (
            ("semantic", self._semantic, self._semantic_at[:-1], vocab, "semantic_vocab_size"),
            ("codes", self._codes, self._codes_at, size, "codebook_size"),
        ):
            wrong = np.flatnonzero((values < 0) | (values >= limit))
            if wrong.size:
                i = int(np.searchsorted(starts, wrong[0], side="right")) - 1
                raise ValueError(
                    f"Clip {self.ids[i]!r}: {name} hold {values[wrong[0]]}; allowed are 0..{limit - 1} "
                    f"({field}={limit} in the generation config): prepare with this checkpoint's tokenizer and codec."
                )
        ratio = self._frames_per_token()
        expected = self.n_semantic * ratio
        fits = np.round(self.n_frames / self.n_semantic, 1) == round(ratio, 1)
        self._check(
            fits | (np.abs(self.n_frames - expected) <= FRAMES_OFF),
            lambda i: (
                f"{self.n_frames[i]} code frames do not belong to {self.n_semantic[i]} semantic tokens; at "
                f"{ratio:.3f} frames per token there should be {expected[i]:.0f}, {FRAMES_OFF} more or less: cut "
                "both to the same piece of sound."
            ),
        )

    def _check(self, ok: np.ndarray, message: Callable[[int], str]) -> None:
        """ValueError for the first clip that is not ok, with its id in front."""
        if not ok.all():
            i = int(np.flatnonzero(~ok)[0])
            raise ValueError(f"Clip {self.ids[i]!r}: {message(i)}")


def _joined(voices: list[ClipVoice]) -> ClipVoice:
    """Voices one behind the other."""
    columns = zip(*voices, strict=True)
    return ClipVoice(*(np.concatenate(column, axis=-1) for column in columns))


def _lengths(lists: Any) -> np.ndarray:
    return np.asarray(lists.value_lengths(), dtype=np.int64)


def _flat(chunks: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Arrow list arrays as one flat array of values and the length of each list, int64."""
    values = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in chunks]
    lengths = [_lengths(chunk) for chunk in chunks]
    # Memory-mapped data stays on disk where it is one piece.
    return (values[0], lengths[0]) if len(chunks) == 1 else (np.concatenate(values), np.concatenate(lengths))


def _starts(lengths: np.ndarray) -> np.ndarray:
    """Where each list starts in the flat array, and the end: int64 [n + 1]."""
    return np.concatenate([[0], np.cumsum(lengths)])
