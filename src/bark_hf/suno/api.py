"""From text to sound in one call, as Suno's `bark.api`. Knows the order of the stages, not what happens in them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..voice_files import PROMPT_NAMES, write_npz
from .arguments import token_array
from .generation import codec_decode, generate_coarse, generate_fine, generate_text_semantic


def text_to_semantic(
    text: str, history_prompt: Any = None, temp: float | None = 0.7, silent: bool = False
) -> np.ndarray:
    """Text to semantic tokens; see `generate_text_semantic` for the arguments, the errors and further options.

    Returns:
        int64 [S], for `semantic_to_waveform`.
    """
    return generate_text_semantic(text, history_prompt=history_prompt, temp=temp, silent=silent, use_kv_caching=True)


def semantic_to_waveform(
    semantic_tokens: np.ndarray,
    history_prompt: Any = None,
    temp: float | None = 0.7,
    silent: bool = False,
    output_full: bool = False,
) -> Any:
    """Semantic tokens to sound.

    Args:
        semantic_tokens: int [S], S >= 1, from `text_to_semantic`.
        history_prompt: the voice, see `generate_text_semantic`.
        temp: of the coarse stage; 0 or None is greedy. The fine stage has 0.5, as in Suno's code.
        silent: no progress bar.
        output_full: also return the tokens.

    Returns:
        float32 [samples] at 24 kHz; with `output_full`, a dictionary (`semantic_prompt` as given, `coarse_prompt` int32
        [2, T], `fine_prompt` int32 [8, T]) and the sound. The dictionary can be a `history_prompt`.

    Raises:
        ValueError: as `generate_coarse` and `generate_fine`.
    """
    coarse = generate_coarse(
        semantic_tokens, history_prompt=history_prompt, temp=temp, silent=silent, use_kv_caching=True
    )
    fine = generate_fine(coarse, history_prompt=history_prompt, temp=0.5)
    audio = codec_decode(fine)
    if not output_full:
        return audio
    return {"semantic_prompt": semantic_tokens, "coarse_prompt": coarse, "fine_prompt": fine}, audio


def generate_audio(
    text: str,
    history_prompt: Any = None,
    text_temp: float | None = 0.7,
    waveform_temp: float | None = 0.7,
    silent: bool = False,
    output_full: bool = False,
) -> Any:
    """Text to sound.

    Args:
        text: up to about 13 seconds of speech.
        history_prompt: the voice, see `generate_text_semantic`.
        text_temp, waveform_temp: temperatures of the semantic and of the coarse stage; 0 or None is greedy.
        silent: no progress bars.
        output_full: also return the tokens.

    Returns:
        See `semantic_to_waveform`.

    Raises:
        ValueError: for an empty text, an unknown voice, or speech that ended before it began.
    """
    semantic = text_to_semantic(text, history_prompt=history_prompt, temp=text_temp, silent=silent)
    return semantic_to_waveform(
        semantic, history_prompt=history_prompt, temp=waveform_temp, silent=silent, output_full=output_full
    )


def save_as_prompt(filepath: str | os.PathLike[str], full_generation: dict[str, Any]) -> None:
    """Write what `output_full=True` has returned to a `.npz` file that can be a `history_prompt`.

    Args:
        filepath: ends in `.npz`; an existing file is replaced. It appears complete or not at all.
        full_generation: `semantic_prompt`, `coarse_prompt` and `fine_prompt`; other entries are not written.

    Raises:
        ValueError: for another ending, a missing entry, or one that is no array of integers.
        FileNotFoundError: if the folder does not exist.
    """
    if not isinstance(full_generation, dict):
        raise ValueError(
            f"full_generation is a {type(full_generation).__name__}, but must be the dictionary that "
            "generate_audio(..., output_full=True) returns first."
        )
    missing = [name for name in PROMPT_NAMES if name not in full_generation]
    if missing:
        raise ValueError(f"full_generation lacks {', '.join(missing)}: a voice needs {', '.join(PROMPT_NAMES)}.")
    write_npz(Path(filepath), {name: token_array(name, full_generation[name]) for name in PROMPT_NAMES})


__all__ = ["generate_audio", "save_as_prompt", "semantic_to_waveform", "text_to_semantic"]
