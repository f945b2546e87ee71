"""How much a row of semantic tokens repeats itself. Knows tokens alone; knows no sound, text or network."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LONGEST_PERIOD = 64  # tokens of a repeated phrase, runs counted once: a few words


class TokenMeasures(NamedTuple):
    """Of semantic tokens.

    Attributes:
        longest_run: tokens of the longest stretch of one token.
        loop: see `loop_share`.
    """

    longest_run: int
    loop: float


def measure_tokens(tokens: np.ndarray) -> TokenMeasures:
    """Runs and loops of int [S]."""
    starts = _run_starts(tokens)
    lengths = np.diff(np.append(starts, tokens.size))
    return TokenMeasures(int(lengths.max(initial=0)), loop_share(tokens))


def loop_share(tokens: np.ndarray) -> float:
    """Share of tokens in phrases that come at least three times in a row.

    Runs of one token count once (frame labels repeat by nature), and a phrase has 2 to 64 of what is left.

    Args:
        tokens: int [S].

    Returns:
        0..1, of the tokens without their runs.
    """
    phrase = tokens[_run_starts(tokens)]
    looped = np.zeros(phrase.size, dtype=bool)
    for period in range(2, min(LONGEST_PERIOD, phrase.size // 3) + 1):
        same = np.concatenate([[False], phrase[period:] == phrase[:-period], [False]])
        edges = np.flatnonzero(np.diff(same.astype(np.int8)))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):  # phrase[i] == phrase[i + period] in start..stop
            if stop - start >= 2 * period:
                looped[start : stop + period] = True
    return float(looped.mean()) if looped.size else 0.0


def _run_starts(tokens: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.concatenate([[True], tokens[1:] != tokens[:-1]])) if tokens.size else np.zeros(0, int)


__all__ = ["LONGEST_PERIOD", "TokenMeasures", "loop_share", "measure_tokens"]
