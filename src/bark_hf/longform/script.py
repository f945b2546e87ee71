"""Scripts for several speakers -> speeches. Knows the lines of a script; knows no voice and no model.

# a comment
Samantha: What do you think?
    An indented line goes on.
John: Nothing. [sighs]
[pause 2s]
Samantha: Well.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import NamedTuple

from .splitting import check_words

_LINE = re.compile(r"([^\s:：\[][^:：\[\]]{0,60}?)\s*[:：]\s*(.*)")
_PAUSES = re.compile(r"(\s*\[\s*pause\b[^\[\]]*\]\s*)+", re.IGNORECASE)


class Speech(NamedTuple):
    """What one speaker says without being interrupted.

    Attributes:
        speaker: the name as the cast has it.
        text: may have paragraphs and pause marks.
        line: its number in the script, from 1.
    """

    speaker: str
    text: str
    line: int


def parse_script(script: str, cast: Iterable[str]) -> list[Speech]:
    """The speeches of a script.

    A line is `NAME: text`; an indented line goes on with the speech before it, also after an empty line, which is then
    a paragraph's end; a line of pause marks alone is a pause behind the speech before it; `#` begins a comment line.

    Args:
        script: the lines.
        cast: names; letters' case does not matter unless two names differ in it alone.

    Raises:
        TypeError: for something other than a string.
        ValueError: naming the line: one without a name, with a name that is not cast, or without words; or a script
            without a speech.
    """
    if not isinstance(script, str):
        raise TypeError(f"script is a {type(script).__name__}, but must be a string.")
    names = list(cast)
    speeches: list[Speech] = []
    lead = ""  # pauses in front of the first speech
    empty = False
    for number, line in enumerate(script.removeprefix("\ufeff").splitlines(), start=1):
        words = line.strip()
        if not words:
            empty = True
            continue
        if words.startswith("#"):
            continue
        if _PAUSES.fullmatch(words):
            if speeches:
                speeches[-1] = speeches[-1]._replace(text=f"{speeches[-1].text} {words}")
            else:
                lead += words
        elif line[0].isspace() and speeches:
            glue = "\n\n" if empty else "\n"
            speeches[-1] = speeches[-1]._replace(text=speeches[-1].text + glue + words)
        else:
            speaker, text = _speech(words, number, names)
            speeches.append(Speech(speaker, lead + text, number))
            lead = ""
        empty = False
    if not speeches:
        raise ValueError("the script has no line such as 'NAME: text'; there is nothing to say; write one")
    for speech in speeches:
        if not speech.text.strip():
            raise ValueError(f"line {speech.line}: {speech.speaker} says nothing; give the line some words")
        try:
            check_words(speech.text)
        except ValueError as error:
            raise ValueError(f"line {speech.line}: {error}") from error
    return speeches


def _speech(words: str, number: int, names: list[str]) -> tuple[str, str]:
    found = _LINE.fullmatch(words)
    if found is None:
        raise ValueError(
            f"line {number}: {words[:40]!r} has no name; a line is 'NAME: text', and one that goes on is indented"
        )
    name = found[1]
    if name in names:
        return name, found[2]
    folded = [known for known in names if known.casefold() == name.casefold()]
    if len(folded) == 1:
        return folded[0], found[2]
    near = difflib.get_close_matches(name.casefold(), [known.casefold() for known in names], n=1)
    hint = next((f" did you mean {known!r}?" for known in names if near and known.casefold() == near[0]), "")
    cast = f"the cast is {', '.join(names)};" if names else "nobody is cast;"
    raise ValueError(f"line {number}: {name!r} has no voice; {cast}{hint} cast it, or indent the line if it goes on")


__all__ = ["Speech", "parse_script"]
