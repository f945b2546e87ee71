"""`bark-hf convert`: the options of `convert_checkpoints.py`; the work is `bark_hf.conversion.convert`."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from .common import only_our_words
from .loading import Dtype


class Size(str, Enum):
    """Sizes of Suno's checkpoints."""

    small = "small"
    large = "large"


def convert(
    suno_dir: Annotated[Path, typer.Option(metavar="DIR", help="Folder with Suno's .pt files.")],
    codec: Annotated[
        Path, typer.Option(metavar="PATH", help="Meta's encodec_24khz*.th, or a Transformers EnCodec folder.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write.")],
    size: Annotated[Size | None, typer.Option(help="Default: the one whose files are there.")] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder with bert-base-multilingual-cased's tokenizer.")
    ] = None,
    voices: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder with NAME.npz and v2/NAME.npz.")] = None,
    dtype: Annotated[Dtype, typer.Option(help="Number format to write.")] = Dtype.float32,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a Bark checkpoint at --output.")] = False,
) -> None:
    """Turn Suno's .pt files and an EnCodec into a checkpoint."""
    from ..conversion import convert as run

    with only_our_words():
        report = run(
            suno_dir,
            codec,
            output,
            size=None if size is None else size.value,
            tokenizer=tokenizer,
            voices=voices,
            dtype=dtype.value,
            overwrite=overwrite,
            on_step=lambda step: print(f"{step} ...", file=sys.stderr, flush=True),
        )
    print(report)
