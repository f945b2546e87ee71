"""How long a text will take to say, from its characters, and how long a piece of it may be, from what a take may have.

Knows languages, scripts and numbers; knows no model.

The rates are rounded figures for reading aloud at a calm pace, spaces and punctuation counted. They need not be
right, only of the right size: a piece's limit leaves room, and `expected_seconds` judges takes by factors of two.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, NamedTuple

from ..generation_options import is_number, near_match, require
from ..languages import SUPPORTED_LANGUAGES
from .marks import TAG

# Characters per second. ja, ko and zh: of Latin letters within them.
LETTERS_PER_SECOND = {
    "en": 14.5,
    "de": 14.0,
    "es": 15.5,
    "fr": 15.0,
    "hi": 12.0,
    "it": 15.0,
    "ja": 12.0,
    "ko": 12.0,
    "pl": 13.5,
    "pt": 15.0,
    "ru": 13.5,
    "tr": 13.5,
    "zh": 12.0,
}
HAN_PER_SECOND = {"ja": 5.0}  # a kanji has about two syllables in Japanese, one in Chinese
OTHER_HAN_PER_SECOND = 4.5
KANA_PER_SECOND, HANGUL_PER_SECOND = 7.5, 6.0
TAG_SECONDS = 1.0  # [laughs]
DIGIT_LETTERS = 4.0  # "7" is read as "seven"
_CODES = tuple(language.code for language in SUPPORTED_LANGUAGES)

TARGET_SECONDS = 10.0  # of a piece, where a checkpoint can say as much at once
LIMIT_PER_TARGET = 1.25
ROOM = 0.85  # of the longest take: what a slow reader may need beyond the expected seconds


def check_language(code: str) -> str:
    """The code, if Bark speaks the language.

    Raises:
        ValueError: for another one.
    """
    if code not in LETTERS_PER_SECOND:
        hint = near_match(code, _CODES)
        raise ValueError(f"language {code!r} is unknown.{hint} Bark's languages are {', '.join(_CODES)}; give one")
    return code


def guess_language(text: str, voice_name: str | None = None) -> str:
    """The language that a preset's name says ("v2/de_speaker_3"), else the one of the text's script, else English."""
    code = (voice_name or "").removeprefix("v2/").partition("_speaker_")[0]
    if code in _CODES:
        return code
    counts = dict.fromkeys(("ja", "ko", "hi", "ru", "zh"), 0)
    for character in text:
        if (script := _script(character)) in counts:
            counts[script] += 1
    if counts["ja"]:  # Japanese is written with Han characters too
        counts["ja"] += counts["zh"]
    best = max(counts, key=lambda code: counts[code])
    letters = sum(character.isalpha() for character in text)
    return best if 2 * counts[best] > letters else "en"


def _script(character: str) -> str:
    """The language that a character alone suggests, or an empty string."""
    if "\u3040" <= character <= "\u30ff":
        return "ja"
    if "\uac00" <= character <= "\ud7a3":
        return "ko"
    if "\u4e00" <= character <= "\u9fff" or "\u3400" <= character <= "\u4dbf":
        return "zh"
    if "\u0900" <= character <= "\u097f":
        return "hi"
    return "ru" if "\u0400" <= character <= "\u04ff" else ""


def is_wide(character: str) -> bool:
    """Whether a character belongs to a script that is written without spaces: kana and Han."""
    return _script(character) in ("ja", "zh")


def elapsed(text: str, language: str) -> list[float]:
    """Seconds of speech before each character of `text`, and at its end: float [len(text) + 1]."""
    letter = 1 / LETTERS_PER_SECOND[language]
    rates = {
        "ja": 1 / KANA_PER_SECOND,
        "ko": 1 / HANGUL_PER_SECOND,
        "zh": 1 / HAN_PER_SECOND.get(language, OTHER_HAN_PER_SECOND),
    }
    each = [
        DIGIT_LETTERS * letter if character.isdigit() else rates.get(_script(character), letter) for character in text
    ]
    for tag in TAG.finditer(text):
        each[tag.start() : tag.end()] = [TAG_SECONDS] + [0.0] * (tag.end() - tag.start() - 1)
    return [0.0, *accumulate(each)]


def expected_seconds(text: str, language: str) -> float:
    """Seconds that `text` should take."""
    return elapsed(text, language)[-1]


class PieceSeconds(NamedTuple):
    """Seconds of speech, as expected from a text.

    Attributes:
        target: what a piece should have.
        limit: what it may have; a text of more is read in pieces.
        longest: the most that can be asked of a checkpoint for `target`.
    """

    target: float
    limit: float
    longest: float


def piece_lengths(most_tokens: int, rate_hz: float, wanted: Any = None) -> PieceSeconds:
    """How long pieces should and may be for a checkpoint.

    Args:
        most_tokens: semantic tokens that one take may have.
        rate_hz: semantic tokens per second.
        wanted: the target, in seconds; None is 10, or less where the checkpoint can't say as much at once.

    Raises:
        ValueError: for a target beyond what the checkpoint says at once, or one that is no number above 0.
    """
    longest = ROOM * most_tokens / rate_hz
    if wanted is not None:
        check_piece_seconds("piece_seconds", wanted, longest)
    target = min(TARGET_SECONDS, longest / LIMIT_PER_TARGET) if wanted is None else wanted
    return PieceSeconds(target, min(longest, LIMIT_PER_TARGET * target), longest)


def check_piece_seconds(name: str, value: Any, longest: float) -> None:
    """Refuse a length of pieces that a checkpoint can't say at once.

    Raises:
        ValueError: naming it and the limit.
    """
    surely = f"what the checkpoint surely says at once ({ROOM} of its max_new_tokens)"
    limit = f"a number of seconds up to {longest:.1f}, {surely}"
    require(is_number(value) and 0 < value <= longest, name, value, limit)


__all__ = [
    "LETTERS_PER_SECOND",
    "PieceSeconds",
    "check_language",
    "check_piece_seconds",
    "elapsed",
    "expected_seconds",
    "guess_language",
    "is_wide",
    "piece_lengths",
]
