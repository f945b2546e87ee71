"""What is in a text beside words: paragraphs, pause marks, tags. Knows characters; knows no language and no token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

LONGEST_PAUSE = 600.0  # seconds; more is a typing error
DEFAULT_PAUSE = 1.0  # seconds of a plain [pause]
TAG = re.compile(r"\[[^\[\]\n]{1,40}\]")  # [laughs], [MAN]: Bark reads them, so they are never cut
_PAUSE = re.compile(r"\[\s*pause\b([^\[\]]*)\]", re.IGNORECASE)
_LENGTH = re.compile(r"\s*(\d+(?:[.,]\d+)?|[.,]\d+)\s*(s|ms|sec|secs|seconds?)?\s*", re.IGNORECASE)
_PARAGRAPH = re.compile(r"\n\s*\n|[\f\u2029]")


class Run(NamedTuple):
    """Words without a break that is written down, and what follows them.

    Attributes:
        text: white space is single spaces; empty for marks in front of all words.
        silence: seconds of the pause marks behind it, or None where a paragraph or the text ends without one.
    """

    text: str
    silence: float | None


def parse_runs(text: str) -> list[Run]:
    """Cut a text at its paragraphs (empty lines) and pause marks, which are taken out.

    Raises:
        ValueError: for a pause mark whose length can't be read.
    """
    runs: list[Run] = []
    for paragraph in _PARAGRAPH.split(text.replace("\r\n", "\n").replace("\r", "\n")):
        for words, silence in _marked(paragraph):
            if words or not runs:
                runs.append(Run(words, silence))
            elif silence is not None:  # a second mark in a row, or one at the start of a paragraph
                runs[-1] = Run(runs[-1].text, (runs[-1].silence or 0.0) + silence)
    return [run for run in runs if run.text or run.silence is not None]


def _marked(paragraph: str) -> Iterator[tuple[str, float | None]]:
    parts = _PAUSE.split(paragraph)  # words, length, words, length, ..., words
    for words, length in zip(parts[::2], [*parts[1::2], None], strict=True):
        yield " ".join(words.split()), None if length is None else pause_seconds(length)


def pause_seconds(length: str) -> float:
    """Seconds of what stands behind "pause" in a mark: "", "0.5s", "300 ms", "2".

    Raises:
        ValueError: for anything else, and for more than ten minutes.
    """
    if not length.strip():
        return DEFAULT_PAUSE
    found = _LENGTH.fullmatch(length)
    seconds = float(found[1].replace(",", ".")) * (0.001 if (found[2] or "").lower() == "ms" else 1) if found else -1.0
    if not 0 <= seconds <= LONGEST_PAUSE:
        raise ValueError(
            f"[pause{length}] is no pause of 0 to {LONGEST_PAUSE:g} seconds; write [pause], [pause 0.5s] or "
            "[pause 300ms]"
        )
    return seconds


def is_speakable(text: str) -> bool:
    """Whether there is anything to say: a letter, a digit or a tag."""
    return any(character.isalnum() for character in text) or TAG.search(text) is not None


__all__ = ["DEFAULT_PAUSE", "LONGEST_PAUSE", "TAG", "Run", "is_speakable", "parse_runs", "pause_seconds"]
