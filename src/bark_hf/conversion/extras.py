"""The tokenizer and the voices that a folder of the Hub also holds.

Knows which tokenizer Bark needs, and a folder of Suno's voices; knows no weight and no network. How the files of both
look is in `checkpoint_files` and `voice_library`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from transformers import BertTokenizer

from .. import tokens
from ..checkpoint_files import CheckpointFiles, load_tokenizer
from ..processing_bark import BarkProcessor
from ..voice_library import VoiceLibrary
from ..voices import VoicePrompt
from .errors import ConversionError

MAX_TOKENIZER_SIZE = tokens.TEXT_PAD_TOKEN - tokens.TEXT_ENCODING_OFFSET
"""Entries of a vocabulary whose shifted ids stay below Bark's own ids: 119,547, all of multilingual BERT's."""

_THE_TOKENIZER = "give that of bert-base-multilingual-cased"


def read_tokenizer(folder: Path) -> BertTokenizer:
    """Load a BERT tokenizer.

    Args:
        folder: holds `tokenizer.json` or `vocab.txt`.

    Raises:
        ConversionError: for a folder without these files, a damaged one, another kind of tokenizer, one that
            lower-cases, or one with too many entries.
    """
    if not folder.is_dir():  # a name that is no folder would be looked up on the Hub
        raise ConversionError(f"{folder} is not a folder: give the one that holds the tokenizer's files.")
    try:
        tokenizer = load_tokenizer(CheckpointFiles.open(folder, {}))
    except Exception as error:  # the tokenizers library raises plain Exception for a damaged file
        raise ConversionError(f"{folder}: the tokenizer can't be loaded: {error}") from None
    if not isinstance(tokenizer, BertTokenizer):
        raise ConversionError(f"{folder}: the tokenizer isn't a BERT WordPiece one: {_THE_TOKENIZER}.")
    if tokenizer.unk_token not in tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False):
        raise ConversionError(f"{folder}: the vocabulary lacks {tokenizer.unk_token}, so it is damaged: get it again.")
    if tokenizer.do_lower_case:
        raise ConversionError(f"{folder}: the tokenizer lower-cases, but Bark's text is cased: {_THE_TOKENIZER}.")
    if len(tokenizer) > MAX_TOKENIZER_SIZE:
        raise ConversionError(
            f"{folder}: the tokenizer has {len(tokenizer):,} entries and Bark has room for {MAX_TOKENIZER_SIZE:,}: "
            f"{_THE_TOKENIZER}."
        )
    return tokenizer


def write_tokenizer(tokenizer: BertTokenizer, source: Path, output: Path) -> None:
    """Write the processor's files, and `vocab.txt` as it is if the source has one."""
    BarkProcessor(tokenizer).save_pretrained(output)
    vocabulary = source / "vocab.txt"
    if vocabulary.is_file():
        shutil.copyfile(vocabulary, output / vocabulary.name)


def read_voices(folder: Path) -> dict[str, VoicePrompt]:
    """Load and validate every `.npz` below `folder`.

    Returns:
        Voices by name: the path without its ending, such as `v2/en_speaker_6`.

    Raises:
        ConversionError: if there is none, or for one that isn't a voice.
    """
    files = sorted(folder.rglob("*.npz"))
    if not files:
        raise ConversionError(f"{folder} holds no voices: NAME.npz or v2/NAME.npz is needed.")
    library = VoiceLibrary()
    for path in files:
        try:
            library.add(path.relative_to(folder).with_suffix("").as_posix(), VoicePrompt.load(path))
        except (ValueError, TypeError, OSError) as error:
            raise ConversionError(str(error)) from None
    return {name: library.load(name) for name in library.names}
