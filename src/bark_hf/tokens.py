"""Every special id, offset, rate and window of Bark, named once.

This module knows numbers and the arithmetic between them. It knows no network, no file and no sampling; everything
else in the package imports it. Source of the numbers: suno-ai/bark, ``bark/generation.py`` (April 2023). They are the
*defaults*: a checkpoint's generation config may carry others, so every rule below takes its numbers as arguments.

The route and its units::

    text -> ids [256] -> semantic [S] at 49.9 Hz -> coarse [2, T] at 75 Hz -> fine [8, T] -> audio [320 * T] at 24 kHz
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

# Rates, in Hz, and the codec's geometry.
SEMANTIC_RATE_HZ = 49.9
COARSE_RATE_HZ = 75
SAMPLE_RATE = 24_000
CODEBOOK_SIZE = 1_024  # entries of one EnCodec codebook
N_COARSE_CODEBOOKS = 2
N_FINE_CODEBOOKS = 8

# Semantic stage: ids of its input vocabulary (129,600).
SEMANTIC_VOCAB_SIZE = 10_000  # semantic tokens are 0..9,999
SEMANTIC_PAD_TOKEN = 10_000  # pads a short history; drawn as a next token it is EOS
TEXT_ENCODING_OFFSET = 10_048  # added to a tokenizer id
TEXT_PAD_TOKEN = 129_595
SEMANTIC_INFER_TOKEN = 129_599
MAX_TEXT_LENGTH = 256  # text ids, and as many semantic history ids: their embeddings are summed
MAX_SEMANTIC_TOKENS = 768  # = 1,024 positions - 257 of the prompt + 1, because the last token is never fed back

# Coarse stage: ids of its vocabulary (12,096).
COARSE_SEMANTIC_PAD_TOKEN = 12_048
COARSE_INFER_TOKEN = 12_050
MAX_COARSE_INPUT_LENGTH = 256  # semantic tokens that one window sees
MAX_COARSE_HISTORY = 630  # flattened coarse ids that one window sees
MIN_COARSE_HISTORY = 60  # Suno's lower bound for the number above
SLIDING_WINDOW_LEN = 60  # flattened coarse ids that one window adds

# Fine stage.
MAX_FINE_HISTORY_LENGTH = 512  # frames of history, and the hop between windows
MAX_FINE_INPUT_LENGTH = 1_024  # frames that the network sees at once


def flatten_codes(codes: torch.Tensor, first_id: int, codebook_size: int = CODEBOOK_SIZE) -> torch.Tensor:
    """Codes of K codebooks as one stream of coarse ids, frame by frame.

    Args:
        codes: int tensor [K, T], values in 0..codebook_size-1.
        first_id: id of code 0 of codebook 0 (10,000 for Bark).
        codebook_size: entries per codebook; codebook k starts at ``first_id + k * codebook_size``.

    Returns:
        int64 tensor [K * T]: codebook 0 and 1 of frame 0, then of frame 1, ...
    """
    offsets = first_id + codebook_size * torch.arange(codes.shape[0], device=codes.device)
    return (codes.long() + offsets[:, None]).T.reshape(-1)


def unflatten_codes(
    ids: torch.Tensor, first_id: int, n_codebooks: int = N_COARSE_CODEBOOKS, codebook_size: int = CODEBOOK_SIZE
) -> torch.Tensor:
    """The inverse of `flatten_codes`: int tensor [K * T] -> int64 codes [K, T]."""
    offsets = first_id + codebook_size * torch.arange(n_codebooks, device=ids.device)
    return ids.long().reshape(-1, n_codebooks).T - offsets[:, None]


def max_tokens_for_duration(seconds: float, rate_hz: float = SEMANTIC_RATE_HZ, ceiling: int | None = None) -> int:
    """Semantic tokens after which Suno's ``max_gen_duration_s`` stops.

    Suno adds ``1 / rate_hz`` per token in float64 and stops *after* the token that exceeds the limit, so 2.0 s give
    100 tokens, not 99. The sum is repeated here because rounding decides at whole numbers of seconds.

    Args:
        seconds: limit in seconds, positive.
        rate_hz: semantic tokens per second.
        ceiling: return at most this many (the stage's ``max_new_tokens``).
    """
    total, count, step = 0.0, 0, 1.0 / rate_hz
    while ceiling is None or count < ceiling:
        total += step
        count += 1
        if total > seconds:
            break
    return count


class CoarseRules(NamedTuple):
    """The coarse stage's arithmetic: how semantic tokens, coarse ids and windows relate.

    Attributes:
        semantic_rate_hz, coarse_rate_hz: tokens and frames per second.
        n_codebooks: coarse codebooks (2).
        max_history: flattened coarse ids of history in a window (630).
        input_length: semantic tokens in a window (256).
    """

    semantic_rate_hz: float = SEMANTIC_RATE_HZ
    coarse_rate_hz: float = COARSE_RATE_HZ
    n_codebooks: int = N_COARSE_CODEBOOKS
    max_history: int = MAX_COARSE_HISTORY
    input_length: int = MAX_COARSE_INPUT_LENGTH

    @property
    def ratio(self) -> float:
        """Flattened coarse ids per semantic token (75 / 49.9 * 2 = 3.006)."""
        return self.coarse_rate_hz / self.semantic_rate_hz * self.n_codebooks

    @property
    def max_semantic_history(self) -> int:
        """Semantic tokens that correspond to a full coarse history (209)."""
        return math.floor(self.max_history / self.ratio)

    def n_steps(self, n_semantic: int) -> int:
        """Flattened coarse ids that belong to `n_semantic` semantic tokens: whole frames, rounded down."""
        return round(math.floor(n_semantic * self.ratio / self.n_codebooks) * self.n_codebooks)

    def history_lengths(self, n_semantic: int, n_coarse: int) -> tuple[int, int]:
        """How much of a voice is used: (semantic tokens, flattened coarse ids), matched by the ratio.

        The coarse count is before Suno's last cut of one frame (`n_codebooks` ids), see `generation.coarse`.
        """
        semantic = min(self.max_semantic_history, n_semantic - n_semantic % 2, math.floor(n_coarse / self.ratio))
        return semantic, round(semantic * self.ratio)

    def semantic_start(self, n_history: int, steps_done: int) -> int:
        """Index of the first semantic token that a window sees.

        Args:
            n_history: semantic tokens of history in front of the generated ones.
            steps_done: flattened coarse ids generated so far.
        """
        position = n_history + round(steps_done / self.ratio)
        return max(0, position - self.max_semantic_history)


class FineWindow(NamedTuple):
    """One window of the fine stage, in frames of the padded input."""

    start: int  # first frame that the network sees
    fill: int  # first frame that is rewritten; the window rewrites up to its end


def fine_windows(
    n_frames: int,
    n_history: int,
    window: int = MAX_FINE_INPUT_LENGTH,
    hop: int = MAX_FINE_HISTORY_LENGTH,
) -> list[FineWindow]:
    """Windows that cover `n_frames` new frames behind `n_history` frames of history.

    The input has ``max(window, n_history + n_frames)`` frames. Windows advance by `hop`; the last one is aligned to
    the end of the input.
    """
    total = max(window, n_history + n_frames)
    n_windows = max(0, math.ceil((n_frames - (window - n_history)) / hop)) + 1
    return [
        FineWindow(start=min(n * hop, total - window), fill=min(n_history + n * hop, total - hop))
        for n in range(n_windows)
    ]


def right_pad(ids: torch.Tensor, length: int, value: int) -> torch.Tensor:
    """The first `length` entries of a 1-D id tensor, padded on the right with `value`."""
    ids = ids[:length]
    return torch.nn.functional.pad(ids, (0, length - ids.shape[0]), value=value)


def pad_stack(items: Sequence[torch.Tensor], value: float = 0) -> torch.Tensor:
    """Tensors [..., T_i] of one dtype and leading shape as one [B, ..., max T_i], padded on the right with `value`."""
    longest = max((item.shape[-1] for item in items), default=0)
    padded = [torch.nn.functional.pad(item, (0, longest - item.shape[-1]), value=value) for item in items]
    return torch.stack(padded) if padded else torch.empty(0, 0)
