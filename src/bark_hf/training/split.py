"""Which clips are kept for evaluation. Knows texts; knows no tokens."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence


def split_by_text(texts: Sequence[str], fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Rows to train on and rows to evaluate on. All clips of one text go to the same side.

    Whether a text is kept for evaluation hangs on the text and the seed alone, as far as the share allows, so data
    that grows keeps its split.

    Args:
        texts: one per clip.
        fraction: share of the clips to evaluate on; at least one clip is, unless it is 0.

    Returns:
        two increasing lists of row numbers.

    Raises:
        ValueError: if there are too few different texts for two sides.
    """
    if fraction == 0:
        return list(range(len(texts))), []
    rows = defaultdict(list)
    for row, text in enumerate(texts):
        rows[" ".join(text.split()).casefold()].append(row)
    if len(rows) < 2:
        raise ValueError(f"{len(rows)} different text can't be split; evaluation needs 2; set eval_fraction: 0.")
    order = sorted(rows, key=lambda text: hashlib.sha256(f"{seed}:{text}".encode()).digest())
    wanted = max(1, round(fraction * len(texts)))
    kept: list[int] = []
    for text in order[:-1]:
        if len(kept) >= wanted:
            break
        kept += rows[text]
    held_out = set(kept)
    return [row for row in range(len(texts)) if row not in held_out], sorted(kept)


__all__ = ["split_by_text"]
