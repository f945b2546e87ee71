"""Long text -> pieces that Bark can say at once. Knows limits and costs; knows no model and no sound.

Every run between paragraphs and pause marks is cut where the sum of two costs is least: of pieces far from the length
that is wanted, and of cuts in bad places. A cut at a sentence's end is free, so sentences are kept together unless
they are longer than the limit. The pieces' words are the text's words, in order: nothing is left out or cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from .breaks import Break, breaks_inside, find_breaks
from .marks import is_speakable, parse_runs
from .sizing import check_language, elapsed, expected_seconds, guess_language

# What a cut costs; the length costs 1 where a piece is as long as wanted twice over, 1.5 where it is empty.
COSTS = {"sentence": 0.0, "clause": 0.6, "conjunction": 1.0, "space": 2.5, "inside": 10.0}
ENCLOSED = 0.4  # beyond that, between quotes or brackets
MUTE = 1000.0  # of a piece without anything to say
SHORT, LONG = 1.5, 1.0
_AFTER = {"sentence": "sentence", "clause": "clause", "conjunction": "clause", "space": "word", "inside": "word"}

TokenCounter = Callable[[Sequence[str]], list[int]]


class Piece(NamedTuple):
    """What is said at once.

    Attributes:
        text: as in the long text, white space as single spaces.
        after: what ends behind it: "paragraph", "sentence", "clause", "word", or "speech" (somebody else speaks next).
        silence: seconds of the pause marks behind it, or None without one.
        seconds: how long it should take.
        language: code of its language.
        speaker: who says it, in a dialogue.
    """

    text: str
    after: str
    silence: float | None
    seconds: float
    language: str
    speaker: str = ""


class Split(NamedTuple):
    """A long text, cut.

    Attributes:
        pieces: in order.
        lead: seconds of the pause marks in front of the first word.
        unspoken: what has no letter, digit or tag ("* * *"), so that nothing is said there.
    """

    pieces: list[Piece]
    lead: float
    unspoken: list[str]


class PieceSize(NamedTuple):
    """How long pieces should be, and may be.

    Attributes:
        target, limit: seconds of speech, as expected from the text.
        tokens: ids that the model reads at once.
        first: as `target`, of the first piece alone; None is `target`.
    """

    target: float
    limit: float
    tokens: int
    first: float | None = None


def token_counter(tokenizer: Any) -> TokenCounter:
    """A function that counts the ids of texts as `BarkProcessor` makes them."""

    def count(texts: Sequence[str]) -> list[int]:
        rows = tokenizer(list(texts), add_special_tokens=False, padding=False, truncation=False, verbose=False)
        return [len(row) for row in rows["input_ids"]]

    return count


def split_text(text: str, count: TokenCounter, size: PieceSize, language: str | None = None) -> Split:
    """Cut a text into pieces.

    Args:
        text: paragraphs are parted by empty lines; `[pause 0.5s]` marks become `Piece.silence`.
        count: see `token_counter`.
        size: see `PieceSize`.
        language: code; None guesses by the script.

    Raises:
        TypeError: for something other than a string.
        ValueError: for a text without words, a broken pause mark or an unknown language.
    """
    check_words(text)
    language = check_language(language or guess_language(text))
    pieces: list[Piece] = []
    unspoken: list[str] = []
    lead = 0.0
    for run in parse_runs(text):
        own = size._replace(first=None) if pieces else size
        said, mute = _split_run(run.text, count, own, language) if is_speakable(run.text) else ([], [run.text])
        unspoken += [words for words in mute if words]
        pieces += said
        if run.silence is not None and pieces:
            pieces[-1] = pieces[-1]._replace(silence=(pieces[-1].silence or 0.0) + run.silence)
        elif run.silence is not None:
            lead += run.silence
    if not pieces:
        raise ValueError(f"the tokenizer reads nothing of the text ({unspoken[0][:40]!r}); there is nothing to say")
    return Split(pieces, lead, unspoken)


def check_words(text: Any) -> None:
    """Refuse a text in which there is nothing to say.

    Raises:
        TypeError: for something other than a string.
        ValueError: for a text without words, or a broken pause mark.
    """
    if not isinstance(text, str):
        raise TypeError(f"text is a {type(text).__name__}, but must be a string.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("the text holds half a surrogate pair, which is no character; decode the text again")
    runs = parse_runs(text)
    if not any(is_speakable(run.text) for run in runs):
        words = any(run.text for run in runs)
        found = "nothing with a letter, a digit or a tag" if words else "only pause marks" if runs else "nothing"
        raise ValueError(f"the text has {found}; there is nothing to say; give some words")


def _split_run(text: str, count: TokenCounter, size: PieceSize, language: str) -> tuple[list[Piece], list[str]]:
    """One run as pieces, and what of it can't be said."""
    most = size.tokens
    while True:  # the tokens of a piece may be more than those of its parts together, hardly ever
        cuts = _cut(text, count, size._replace(tokens=most), language)
        spans = [(start.at, stop) for start, stop in pairwise(cuts)]
        texts = [text[start : stop.at].strip() for start, stop in spans]
        lengths = count(texts)
        if max(lengths) <= size.tokens:
            break
        most = min(most - 1, most * size.tokens // max(lengths))
        if most < 1:
            raise ValueError(f"a text can't be cut into pieces of {size.tokens} tokens; use another tokenizer")
    pieces, mute = [], []
    for words, length, (_, stop) in zip(texts, lengths, spans, strict=True):
        if length and is_speakable(words):
            seconds = round(expected_seconds(words, language), 2)
            pieces.append(Piece(words, _AFTER.get(stop.kind, stop.kind), None, seconds, language))
        else:
            mute.append(words)
    if pieces:
        pieces[-1] = pieces[-1]._replace(after="paragraph")
    return pieces, mute


def _cut(text: str, count: TokenCounter, size: PieceSize, language: str) -> list[Break]:
    """The breaks of the cheapest division, with the ends of the text."""
    seconds = elapsed(text, language)
    places, tokens = _fine_enough(text, find_breaks(text, language), seconds, count, size)
    before = [0]
    for number in tokens:
        before.append(before[-1] + number)
    best, come_from = [0.0], [0]
    speakable = _speakable_before(text, [place.at for place in places])
    for stop in range(1, len(places)):
        costs: list[tuple[float, int]] = []
        ending = seconds[_end(text, places[stop])]
        for start in range(stop - 1, -1, -1):
            length, ids = ending - seconds[places[start].at], before[stop] - before[start]
            if costs and (length > size.limit or ids > size.tokens):
                break
            target = size.target if start or size.first is None else size.first
            off = (length - target) / target
            cost = best[start] + (SHORT if off < 0 else LONG) * off * off
            if not ids or speakable[start] == speakable[stop]:
                cost += MUTE
            costs.append((cost, start))
        cost, start = min(costs)
        place = places[stop]
        best.append(cost + COSTS.get(place.kind, 0.0) + ENCLOSED * place.enclosed)
        come_from.append(start)
    path = [len(places) - 1]
    while path[-1]:
        path.append(come_from[path[-1]])
    return [places[node] for node in reversed(path)]


def _fine_enough(
    text: str, breaks: list[Break], seconds: list[float], count: TokenCounter, size: PieceSize
) -> tuple[list[Break], list[int]]:
    """Breaks with the ends of the text, each stretch between two within the limits; and every stretch's tokens.

    Scripts without spaces are cut inside where there are too many seconds or tokens. A word of letters may take long:
    it is cut for tokens alone.
    """
    places = [Break(0, "paragraph", False), *breaks, Break(len(text), "paragraph", False)]
    tokens = _tokens(text, places, count)
    for scripts_without_spaces in (True, False):
        finer = [places[0]]
        for (a, b), number in zip(pairwise(places), tokens, strict=True):
            length = seconds[_end(text, b)] - seconds[a.at]
            if number > size.tokens or (scripts_without_spaces and length > size.limit):
                finer += breaks_inside(text, a.at, b.at, scripts_without_spaces)
            finer.append(b)
        if len(finer) > len(places):
            places, tokens = finer, _tokens(text, finer, count)
    return places, tokens


def _tokens(text: str, places: list[Break], count: TokenCounter) -> list[int]:
    """Of every stretch between two places."""
    return count([text[a.at : b.at].strip() or " " for a, b in pairwise(places)])


def _end(text: str, place: Break) -> int:
    """Where a piece ends that is cut at `place`: in front of the space."""
    return place.at - (text[place.at - 1] == " ")


def _speakable_before(text: str, places: list[int]) -> list[int]:
    """How many speakable stretches there are before each place: equal numbers mean that nothing is said between."""
    total, result = 0, [0]
    for start, stop in pairwise(places):
        total += is_speakable(text[start:stop])
        result.append(total)
    return result


__all__ = ["COSTS", "Piece", "PieceSize", "Split", "TokenCounter", "check_words", "split_text", "token_counter"]
