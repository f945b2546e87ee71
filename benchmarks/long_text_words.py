"""A text of many words from few sentences, and whether its pieces hold every word once. Knows text alone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sentencex
from first_audio import SENTENCES

from bark_hf.evaluation.clips import read_texts
from bark_hf.longform import Piece
from bark_hf.longform.splitting import TokenCounter

PARAGRAPH_SENTENCES = 8


def sentences_of(path: Path | None) -> list[str]:
    """The sentences of a `.jsonl` list of texts or of any other English text; None: those of `first_audio`."""
    if path is None:
        return SENTENCES
    if path.suffix == ".jsonl":
        return [item.text for item in read_texts(path)]
    found = (" ".join(sentence.split()) for sentence in sentencex.segment("en", path.read_text(encoding="utf-8")))
    return [sentence for sentence in found if any(character.isalnum() for character in sentence)]


def long_text(sentences: Sequence[str], words: int, seed: int) -> str:
    """At least so many words, ending with a sentence: all sentences, each time in another order, in paragraphs."""
    rng, chosen, count = random.Random(seed), [], 0
    while count < words:
        for sentence in rng.sample(list(sentences), len(sentences)):
            chosen.append(sentence)
            count += len(sentence.split())
            if count >= words:
                break
    paragraphs = (chosen[at : at + PARAGRAPH_SENTENCES] for at in range(0, len(chosen), PARAGRAPH_SENTENCES))
    return "\n\n".join(" ".join(paragraph) for paragraph in paragraphs)


def account(text: str, pieces: Sequence[Piece], count: TokenCounter, most_ids: int) -> dict[str, Any]:
    """Words of the text against words of the pieces, and the pieces' ids against the limit of the model's input."""
    given, said = text.split(), [word for piece in pieces for word in piece.text.split()]
    ids = count([piece.text for piece in pieces])
    return {
        "words": len(given),
        "words_in_pieces": len(said),
        "every_word_once_in_order": given == said,
        "pieces": len(pieces),
        "most_ids": max(ids),
        "limit_ids": most_ids,
        "pieces_over_the_limit": sum(number > most_ids for number in ids),
    }


__all__ = ["account", "long_text", "sentences_of"]
