"""Where a run of words may be cut, and how bad each place is. Knows sentences, clauses, quotes, tags and scripts.

Sentences are found by sentencex (Wikimedia), which knows the abbreviations of all of Bark's languages. What it, or a
rule here, gets wrong costs a pause in an odd place, never a word: a break is a position in the text.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from .marks import TAG
from .sizing import is_wide

# Words that begin a clause, by language; Korean and Turkish mark most clauses on the verb.
CONJUNCTIONS = {
    "en": "and or but because which who that when while where if so although though unless until as than",
    "de": "und oder aber sondern denn weil dass wenn als während obwohl damit ob bis nachdem bevor",
    "es": "y e o u pero sino porque que cuando mientras donde si aunque como para",
    "fr": "et ou mais car parce que qui quand lorsque pendant où si comme pour donc puis",
    "hi": "और या लेकिन मगर क्योंकि कि जो जब तो अगर इसलिए ताकि",
    "it": "e ed o ma perché che quando mentre dove se come anche quindi poi per",
    "ja": "",
    "ko": "그리고 하지만 그러나 또는 그래서 왜냐하면 그런데",
    "pl": "i oraz lub albo ale lecz bo że który która które gdy kiedy jeśli żeby ponieważ gdzie",
    "pt": "e ou mas porque que quando enquanto onde se embora como para pois",
    "ru": "и или но а потому что который которая которые когда пока где если чтобы хотя как",
    "tr": "ve veya ya ama fakat çünkü ki ancak eğer",
    "zh": "",
}
_WORDS = {language: frozenset(words.split()) for language, words in CONJUNCTIONS.items()}
# What sentencex 1.0 takes for an end of a sentence: abbreviations by language, and German dates in front of a comma.
_ABBREVIATIONS = {
    "fr": "M. MM. Mme. Mlle. Mgr. St. Ste.",
    "hi": "डॉ. श्री. प्रो. पं. स्व.",
    "pl": "Dr. dr. godz. inż. mgr. lek. płk. gen. im. pl. al. tzn. tzw. zob.",
    "ru": "т.е. е. т.д. т.п. др. пр. ул. им. гр.",
    "es": "Sr. Sra. Srta. Dr. Dra. Ud. Uds. núm. pág.",
}
_NO_END = {
    code: re.compile(rf"(?<!\S)(?:{'|'.join(map(re.escape, words))})$") if words else None
    for code, words in ((code, _ABBREVIATIONS.get(code, "").split()) for code in CONJUNCTIONS)
}
_GERMAN_DATE = re.compile(
    r"\b\d{1,2}\. (?=Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember)"
)
# Punctuation of a clause with the quotes that close behind it; Chinese and Japanese need no space after it.
_CLAUSE = re.compile(r"[,;:،؛…–—\-]+[)\]\"'”’»]*(?= )|[、，；：…—]+[」』）”’]*(?=[^\s、，；：…—」』）”’])")
_DASH_WORD = re.compile(r"(?<=\w)-(?= )")  # "two- or three-year" is no clause
_PAIRS = {"“": "”", "«": "»", "「": "」", "『": "』", "(": ")", "（": "）", "„": "“", "♪": "♪", '"': '"'}


class Break(NamedTuple):
    """A place where a run may be cut.

    Attributes:
        at: index of the first character behind the cut; a space in front of it belongs to no piece.
        kind: "sentence", "clause", "conjunction", "space" or "inside" (a word).
        enclosed: whether it is between quotes, brackets or the notes of a song.
    """

    at: int
    kind: str
    enclosed: bool


def find_breaks(text: str, language: str) -> list[Break]:
    """Every break between words, in order; none within a tag, and none that would part a tag from its clause.

    Args:
        text: without white space other than single spaces.
        language: code of one of Bark's languages.
    """
    found: dict[int, str] = {}
    for place in re.finditer(" ", text):
        word = re.match(r"[\w'’]*", text[place.end() : place.end() + 20])
        known = word is not None and word[0].lower() in _WORDS[language]
        found[place.end()] = "conjunction" if known else "space"
    for clause in _CLAUSE.finditer(text):
        if not _DASH_WORD.fullmatch(text, clause.start(), clause.end()):
            found[clause.end() + (text[clause.end()] == " ")] = "clause"
    for at in _sentence_ends(text, language):
        found[at] = "sentence"
    _keep_tags(text, found)
    depth = _enclosed(text)
    return [Break(at, found[at], depth[at]) for at in sorted(found) if 0 < at < len(text)]


def _sentence_ends(text: str, language: str) -> list[int]:
    import sentencex

    known, ends, at = _NO_END[language], [], 0
    for sentence in sentencex.segment(language, text):
        start = text.index(sentence, at)  # its sentences are the text's own characters, in order
        at = start + len(sentence)
        if known is None or not known.search(sentence.rstrip()) or at == len(text):
            ends.append(at + (text[at : at + 1] == " "))
    if language == "de":
        dates = {date.end() for date in _GERMAN_DATE.finditer(text)}
        ends = [end for end in ends if end not in dates]
    return ends


def _keep_tags(text: str, found: dict[int, str]) -> None:
    """Take out breaks within tags, weak ones behind a tag, and those in front of tags that nothing follows."""
    for tag in TAG.finditer(text):
        for at in range(tag.start() + 1, tag.end() + 1):
            found.pop(at, None)
        if found.get(tag.end() + 1) in ("space", "conjunction"):
            del found[tag.end() + 1]
    rest = len(text)
    for tag in reversed(list(TAG.finditer(text))):
        if any(character.isalnum() for character in text[tag.end() : rest]):
            break
        found.pop(tag.start(), None)
        rest = tag.start()


def _enclosed(text: str) -> list[bool]:
    """Whether each position is within a pair that closes again: bool [len(text) + 1]."""
    within = [0] * (len(text) + 1)
    opened: list[tuple[str, int]] = []
    for at, character in enumerate(text):
        closes = next((n for n in range(len(opened) - 1, -1, -1) if _PAIRS[opened[n][0]] == character), None)
        if closes is not None:
            within[opened[closes][1] + 1] += 1
            within[at + 1] -= 1
            del opened[closes:]
        elif character in _PAIRS:
            opened.append((character, at))
    total, result = 0, []
    for change in within:
        total += change
        result.append(total > 0)
    return result


def breaks_inside(text: str, start: int, stop: int, scripts_without_spaces: bool) -> list[Break]:
    """Places within text[start:stop], a stretch without other breaks that is too long for one piece.

    A tag stays whole, and so does what a reader sees as one character.

    Args:
        scripts_without_spaces: only in front of kana and Han; else anywhere.
    """
    tags = [(tag.start(), tag.end()) for tag in TAG.finditer(text)]
    return [
        Break(at, "inside", False)
        for at in range(start + 1, stop)
        if (is_wide(text[at]) if scripts_without_spaces else _parts_characters(text, at))
        and not any(first < at < last for first, last in tags)
    ]


def _parts_characters(text: str, at: int) -> bool:
    """Whether a cut at `at` leaves accents, vowel signs and joined emoji with their base."""
    before, after = text[at - 1], text[at]
    joined = unicodedata.category(after) in ("Mn", "Mc", "Me", "Cf") or "\U0001f3fb" <= after <= "\U0001f3ff"
    return not joined and before != "\u200d" and before != "\u094d"


__all__ = ["CONJUNCTIONS", "Break", "breaks_inside", "find_breaks"]
