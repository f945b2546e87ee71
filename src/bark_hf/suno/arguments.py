"""What Suno's functions assert of their arguments, as errors that say the value, the limit and the remedy.

Knows arrays of tokens and ways to name a voice; knows no model.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ..processing_bark import BarkProcessor
from ..tokens import MAX_COARSE_HISTORY, MIN_COARSE_HISTORY, SLIDING_WINDOW_LEN
from ..voice_files import PROMPT_NAMES
from ..voices import VoicePrompt

_NAMES_SHOWN = 12  # voices that an error lists
_WINDOW = 1024 - 256  # positions of a coarse window beside the semantic tokens


def token_array(name: str, value: Any) -> np.ndarray:
    """An array or tensor of any integer type as a NumPy array.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "iu":
        kind = f"of type {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        raise ValueError(f"{name} is {kind}, but must be a NumPy array of integers: these are tokens.")
    return value


def check_tokens(name: str, value: Any, rows: range | None, size: int) -> torch.Tensor:
    """Tokens of one stage as an int64 tensor.

    Args:
        name: of the argument.
        value: integers [S] if `rows` is None, else [K, T].
        rows: the K that are possible.
        size: values are 0..size-1.

    Raises:
        ValueError: for another type, shape or value, and for nothing at all.
    """
    array = token_array(name, value)
    shape = "[S]" if rows is None else f"[K, T] with K from {rows.start} to {rows.stop - 1}"
    fits = array.ndim == 1 if rows is None else array.ndim == 2 and array.shape[0] in rows
    if not fits:
        raise ValueError(f"{name} has shape {list(array.shape)}, but must have {shape}: give one item, unbatched.")
    if array.size == 0:
        raise ValueError(
            f"{name} is empty: the model ended before it began to speak. Generate again (with another "
            "torch.manual_seed), with a longer text, or with a min_eos_p nearer to 1."
        )
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= size:
        raise ValueError(
            f"{name} holds values {low}..{high}, but this checkpoint has 0..{size - 1}: give tokens that it has made."
        )
    return torch.from_numpy(array.astype(np.int64))


def check_text(text: Any) -> str:
    """A text that says something.

    Raises:
        ValueError: for anything else.
    """
    if not isinstance(text, str):
        raise ValueError(f"text is a {type(text).__name__}, but must be a string: for several, call once for each.")
    if not text.strip():
        raise ValueError("text is empty or white space: there is nothing to say.")
    return text


def check_windows(max_coarse_history: Any, sliding_window_len: Any) -> None:
    """Suno's limits of the coarse windows.

    Raises:
        ValueError: for numbers outside of them.
    """
    for name, value in (("max_coarse_history", max_coarse_history), ("sliding_window_len", sliding_window_len)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise ValueError(f"{name}={value!r} must be a whole number.")
    if not MIN_COARSE_HISTORY <= max_coarse_history <= MAX_COARSE_HISTORY:
        raise ValueError(
            f"max_coarse_history={max_coarse_history} must be from {MIN_COARSE_HISTORY} (faster) to "
            f"{MAX_COARSE_HISTORY} (more context)."
        )
    if not 1 <= sliding_window_len <= _WINDOW - max_coarse_history:
        raise ValueError(
            f"sliding_window_len={sliding_window_len} must be from 1 to {_WINDOW} - max_coarse_history = "
            f"{_WINDOW - max_coarse_history}; Suno's is {SLIDING_WINDOW_LEN}."
        )


def load_history(history_prompt: Any, processor: BarkProcessor) -> VoicePrompt | None:
    """The voice that a `history_prompt` means.

    Args:
        history_prompt: None; a name of `processor`'s voices; the path of a `.npz` file; a dictionary with at least the
            three prompts, as `output_full=True` returns it; or a `VoicePrompt`.
        processor: of the checkpoint.

    Raises:
        ValueError: for an unknown name, with the names that there are; a dictionary without one of the prompts; what
            is no valid voice for the checkpoint; and anything else.
        FileNotFoundError: if there is no such file.
    """
    if history_prompt is None or isinstance(history_prompt, VoicePrompt):
        return processor.voices.resolve(history_prompt)
    if isinstance(history_prompt, Mapping):
        missing = [name for name in PROMPT_NAMES if name not in history_prompt]
        if missing:
            raise ValueError(f"history_prompt lacks {', '.join(missing)}: a voice needs {', '.join(PROMPT_NAMES)}.")
        return processor.voices.resolve({name: token_array(name, history_prompt[name]) for name in PROMPT_NAMES})
    if not isinstance(history_prompt, (str, os.PathLike)):
        raise ValueError(
            f"history_prompt is a {type(history_prompt).__name__}, but must be a voice's name, the path of a .npz "
            "file, the dictionary that output_full=True returns, or None."
        )
    name = os.fspath(history_prompt)
    if name not in processor.voices.names and not name.endswith(".npz"):
        raise ValueError(_unknown_voice(name, processor.voices.names))
    return processor.voices.resolve(name)


def _unknown_voice(name: str, names: list[str]) -> str:
    if not names:
        return f"There is no voice {name!r}: this checkpoint has none. Give the path of a .npz file, or None."
    shown = ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")
    return (
        f"There is no voice {name!r}: this checkpoint has {shown}. Give one of them, the path of a .npz file, or None."
    )


__all__ = ["check_text", "check_tokens", "check_windows", "load_history", "token_array"]
