"""A voice, heard and seen: its sound by the codec, its numbers, in the form that `generate` gives results.

Knows voices and codecs. Must not know recordings or how a voice is made.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from ..codec.decoding import decode_codes
from ..generation.output import BarkOutput
from ..generation_configuration_bark import BarkGenerationConfig
from ..voices import VoicePrompt

LONG_RUN_SECONDS = 0.5  # one token for longer than this is silence, a held sound, or a fault


class Run(NamedTuple):
    """One semantic token again and again.

    Attributes:
        token: its id.
        start: of the run, in seconds.
        length: in tokens.
    """

    token: int
    start: float
    length: int


class VoiceDescription(NamedTuple):
    """A voice in numbers.

    Attributes:
        seconds: of its sound.
        n_tokens: semantic tokens. n_different: how many different ones.
        longest_run: of one token.
        long_runs: those of more than `LONG_RUN_SECONDS`.
        n_frames: frames of fine codes.
        heard: seconds at the end that each stage hears, by stage.
    """

    seconds: float
    n_tokens: int
    n_different: int
    longest_run: Run
    long_runs: list[Run]
    n_frames: int
    heard: dict[str, float]


def describe_voice(voice: VoicePrompt, config: BarkGenerationConfig) -> VoiceDescription:
    """Lengths and repeated runs of a voice.

    Args:
        voice: valid for the checkpoint.
        config: the checkpoint's generation config, which says how much of a voice is heard.
    """
    semantic, coarse, fine = config.semantic_config, config.coarse_acoustics_config, config.fine_acoustics_config
    runs = _runs(voice.semantic_prompt, voice.rules.semantic_rate_hz)
    coarse_frames = coarse.max_coarse_history // coarse.n_coarse_codebooks
    n_frames = voice.fine_prompt.shape[1]
    return VoiceDescription(
        seconds=voice.seconds,
        n_tokens=voice.semantic_prompt.shape[0],
        n_different=int(np.unique(voice.semantic_prompt).shape[0]),
        longest_run=max(runs, key=lambda run: run.length),
        long_runs=[run for run in runs if run.length > LONG_RUN_SECONDS * voice.rules.semantic_rate_hz],
        n_frames=n_frames,
        heard={
            "semantic": min(voice.semantic_prompt.shape[0], semantic.max_input_semantic_length)
            / voice.rules.semantic_rate_hz,
            "coarse": min(voice.coarse_prompt.shape[1], coarse_frames) / voice.rules.coarse_rate_hz,
            "fine": min(n_frames, fine.max_fine_history_length) / voice.rules.coarse_rate_hz,
        },
    )


@torch.inference_mode()
def play_voice(voice: VoicePrompt, codec: Any, config: BarkGenerationConfig) -> BarkOutput:
    """The voice's own sound, as a result that can be saved, plotted and shown in a notebook.

    Args:
        voice: valid for the checkpoint.
        codec: the checkpoint's: `model.codec_model`.
        config: the checkpoint's generation config.
    """
    fine = torch.from_numpy(voice.fine_prompt)
    audio = decode_codes(codec, [fine])
    semantic, coarse = torch.from_numpy(voice.semantic_prompt), torch.from_numpy(voice.coarse_prompt)
    return BarkOutput.from_items([semantic], [coarse], [fine], audio, [0], config, torch.device("cpu"))


def _runs(tokens: np.ndarray, rate: float) -> list[Run]:
    """All runs of int [S], in their order."""
    starts = np.flatnonzero(np.r_[True, tokens[1:] != tokens[:-1]])
    lengths = np.diff(np.r_[starts, tokens.shape[0]])
    return [Run(int(tokens[at]), at / rate, int(length)) for at, length in zip(starts, lengths, strict=True)]


__all__ = ["LONG_RUN_SECONDS", "Run", "VoiceDescription", "describe_voice", "play_voice"]
