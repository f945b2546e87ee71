"""What an array must be to be part of a voice: types, shapes, ranges, and lengths that belong together.

Knows Suno's rules and where a checkpoint's generation config has other numbers. Must not know files or `VoicePrompt`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from . import tokens


class VoiceRules(NamedTuple):
    """The numbers that a voice must fit; the defaults are Bark's, a checkpoint's generation config may have others.

    Attributes:
        semantic_vocab_size: semantic tokens are 0..semantic_vocab_size-1.
        codebook_size: codes are 0..codebook_size-1.
        n_coarse_codebooks, n_fine_codebooks: rows of the coarse and of the fine prompt.
        semantic_rate_hz, coarse_rate_hz: semantic tokens and code frames per second.
    """

    semantic_vocab_size: int = tokens.SEMANTIC_VOCAB_SIZE
    codebook_size: int = tokens.CODEBOOK_SIZE
    n_coarse_codebooks: int = tokens.N_COARSE_CODEBOOKS
    n_fine_codebooks: int = tokens.N_FINE_CODEBOOKS
    semantic_rate_hz: float = tokens.SEMANTIC_RATE_HZ
    coarse_rate_hz: float = tokens.COARSE_RATE_HZ

    @property
    def frames_per_token(self) -> float:
        """Code frames per semantic token (75 / 49.9 = 1.503)."""
        return self.coarse_rate_hz / self.semantic_rate_hz

    @classmethod
    def from_generation_config(cls, config: Mapping[str, Any]) -> VoiceRules:
        """The rules of a checkpoint; what its generation config leaves out is Bark's.

        Args:
            config: a `generation_config.json` as a dictionary, nested by stage as on the Hub.

        Raises:
            ValueError: for a number that is not positive, or not a number.
        """
        sections = {
            "semantic_config": ("semantic_vocab_size", "semantic_rate_hz"),
            "coarse_acoustics_config": ("n_coarse_codebooks", "coarse_rate_hz"),
            "fine_acoustics_config": ("n_fine_codebooks",),
        }
        found = {"codebook_size": config["codebook_size"]} if "codebook_size" in config else {}
        for section, names in sections.items():
            values = config.get(section) or {}
            found.update({name: values[name] for name in names if name in values})
        for name, value in found.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
                raise ValueError(f"{name}={value!r} in the generation config must be a positive number.")
        return cls(**found)

    def check(self, semantic: np.ndarray, coarse: np.ndarray, fine: np.ndarray) -> None:
        """Refuse what Suno's generation code refuses: shapes, ranges, and lengths that do not belong together.

        The fine prompt's length and its first rows need not equal the coarse prompt: Suno does not ask for it.

        Args:
            semantic: integers [S]. coarse: integers [n_coarse_codebooks, T]. fine: integers [n_fine_codebooks, T'].

        Raises:
            ValueError: naming the prompt, the value and the limit.
        """
        _check_ids("semantic_prompt", semantic, None, self.semantic_vocab_size)
        _check_ids("coarse_prompt", coarse, self.n_coarse_codebooks, self.codebook_size)
        _check_ids("fine_prompt", fine, self.n_fine_codebooks, self.codebook_size)
        n_tokens, n_frames = semantic.shape[0], coarse.shape[1]
        if round(n_frames / n_tokens, 1) != round(self.frames_per_token, 1):
            raise ValueError(
                f"coarse_prompt has {n_frames} frames for the {n_tokens} tokens of semantic_prompt: "
                f"{n_frames / n_tokens:.2f} per token, but Bark needs {self.coarse_rate_hz:g} / "
                f"{self.semantic_rate_hz:g} = {self.frames_per_token:.2f} to one decimal, so about "
                f"{round(n_tokens * self.frames_per_token)} frames. Cut both to the same piece of sound."
            )


BARK_RULES = VoiceRules()


def _check_ids(label: str, array: np.ndarray, n_rows: int | None, size: int) -> None:
    """One prompt's shape ([S] for `n_rows` None, else [n_rows, T]) and its range 0..size-1."""
    shape = "[S]" if n_rows is None else f"[{n_rows}, T]"
    wrong = array.ndim != 1 if n_rows is None else array.ndim != 2 or array.shape[0] != n_rows
    if wrong:
        raise ValueError(f"{label} has shape {list(array.shape)}, but Bark needs {shape}: give one voice, unbatched.")
    if array.shape[-1] == 0:
        raise ValueError(f"{label} is empty, but Bark needs {shape} with at least 1 entry. Use None for no voice.")
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= size:
        raise ValueError(
            f"{label} holds values {low}..{high}, but Bark needs 0..{size - 1}: give plain tokens or codes, without "
            "offsets, padding or end marks."
        )


def integer_array(label: str, value: Any) -> np.ndarray:
    """A NumPy array or tensor of any integer type and device as a NumPy array, not copied where it need not be."""
    if isinstance(value, torch.Tensor):
        kind = str(value.dtype)
        is_integer = not (value.is_floating_point() or value.is_complex() or value.dtype is torch.bool)
        value = value.detach().cpu().numpy() if is_integer else value
    elif isinstance(value, np.ndarray):
        kind, is_integer = str(value.dtype), value.dtype.kind in "iu"
    else:
        raise TypeError(f"{label} is a {type(value).__name__}, but must be a NumPy array or a torch tensor.")
    if not is_integer:
        raise ValueError(f"{label} is of type {kind}, but must be of an integer type: these are token and code ids.")
    return value


__all__ = ["BARK_RULES", "VoiceRules", "integer_array"]
