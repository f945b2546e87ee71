"""Text to token ids as Bark reads them: which text is spoken, which tokenizer options fit, what is cut off.

Knows the tokenizer and the 256 positions of Bark's text. Must not know voices, files or networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import BatchEncoding, PreTrainedTokenizerBase

from . import tokens
from .generation_options import near_match

# Values of the tokenizer option `truncation`.
CUT_MEANT = (True, "longest_first", "only_first")
CUT_NOT_MEANT = (False, None, "do_not_truncate")
_SHOWN = 60  # characters of a text that a message shows


def check_call_options(return_tensors: Any, max_length: Any, options: Mapping[str, Any]) -> None:
    """Refuse tokenizer options that would not give Bark's inputs.

    Args:
        return_tensors, max_length: as given to the processor.
        options: every other keyword that was given.

    Raises:
        TypeError: for an unknown option. ValueError: for one with another value than Bark's.
    """
    if return_tensors not in ("pt", None):
        raise ValueError(
            f"return_tensors={return_tensors!r}: the inputs are torch tensors, 'pt'. For NumPy call .numpy() on them."
        )
    if isinstance(max_length, bool) or not isinstance(max_length, int) or not 1 <= max_length <= tokens.MAX_TEXT_LENGTH:
        raise ValueError(
            f"max_length={max_length!r} must be a whole number from 1 to {tokens.MAX_TEXT_LENGTH}, the text tokens "
            "that Bark reads: split longer text."
        )
    fixed: dict[str, tuple[tuple[Any, ...], str]] = {
        "padding": ((True, "max_length", None), f"Bark reads exactly {tokens.MAX_TEXT_LENGTH} padded positions"),
        "add_special_tokens": ((False, None), "Bark was trained on text without special tokens"),
        "return_attention_mask": ((True, None), "Bark needs the mask to tell padding from text"),
        "return_token_type_ids": ((False, None), "Bark has no token types"),
        "truncation": (CUT_MEANT + CUT_NOT_MEANT, "it is True or False"),
    }
    for name, value in options.items():
        if name not in fixed:
            known = ["text", "voice_preset", "return_tensors", "max_length", *fixed]
            raise TypeError(
                f"BarkProcessor has no option {name!r}.{near_match(name, known)} It knows {', '.join(known)}."
            )
        allowed, reason = fixed[name]
        if value not in allowed:
            raise ValueError(f"{name}={value!r} is not possible: {reason}. Leave {name} out.")


def normalized_texts(text: Any) -> list[str]:
    """The texts as Suno normalises them: each run of white space is one space, none at the ends.

    Raises:
        TypeError: for something other than a string or a list of strings.
        ValueError: for no text, or one without anything but white space.
    """
    if not isinstance(text, (str, list, tuple)):
        raise TypeError(f"text is a {type(text).__name__}, but must be a string or a list of strings.")
    texts = [text] if isinstance(text, str) else list(text)
    if not texts:
        raise ValueError("text is an empty list: give at least one string.")
    for index, item in enumerate(texts):
        if not isinstance(item, str):
            raise TypeError(
                f"Text {index} is a {type(item).__name__}, but must be a string: give one string per item, not tokens."
            )
    texts = [" ".join(item.split()) for item in texts]
    for index, item in enumerate(texts):
        if not item:
            raise ValueError(f"Text {index} is empty or white space: there is nothing to say. Leave it out.")
    return texts


def tokenize(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> BatchEncoding:
    """Ids without special tokens, padding or cutting; at least one per text.

    Raises:
        ValueError: for half a surrogate pair, or a text of which the tokenizer reads nothing.
    """
    try:
        encoded = tokenizer(
            texts,
            add_special_tokens=False,
            padding=False,
            truncation=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
    except TypeError:
        broken = [index for index, item in enumerate(texts) if any("\ud800" <= sign <= "\udfff" for sign in item)]
        if not broken:
            raise
        raise ValueError(
            f"Text {broken[0]} holds half a surrogate pair, which is no character: decode the text again."
        ) from None
    for index, row in enumerate(encoded["input_ids"]):
        if not row:
            raise ValueError(
                f"Text {index} ({texts[index][:_SHOWN]!r}) has no character that the tokenizer reads: there is "
                "nothing to say. Leave it out."
            )
    return encoded


def padded(rows: list[list[int]]) -> dict[str, Any]:
    """Ids as int64 [B, 256], and the mask that tells them from padding.

    Padding is 0, which is BERT's [PAD] and in any vocabulary; the model reads the mask, not this number.
    """
    width = tokens.MAX_TEXT_LENGTH
    input_ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    return {"input_ids": input_ids, "attention_mask": (torch.arange(width) < lengths[:, None]).long()}


def cut_message(tokenizer: PreTrainedTokenizerBase, encoded: BatchEncoding, index: int, text: str, kept: int) -> str:
    """The warning that tokens of a text after the first `kept` are lost, with the text from there on."""
    row = encoded["input_ids"][index]
    lost = len(row) - kept
    # Only the tokenizers that know where their tokens come from can say it as it was written.
    cut = text[encoded.encodings[index].offsets[kept][0] :] if encoded.encodings else tokenizer.decode(row[kept:])
    shown = cut if len(cut) <= _SHOWN else f"{cut[:_SHOWN]}..."
    return (
        f"Text {index} has {len(row)} tokens, but {kept} are read: the last {lost} ({lost / len(row):.1%}) will "
        f"not be spoken, from {shown!r} on. Split the text into shorter ones, or give truncation=True if this is "
        "meant."
    )


__all__ = ["CUT_NOT_MEANT", "check_call_options", "cut_message", "normalized_texts", "padded", "tokenize"]
