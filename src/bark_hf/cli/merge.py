"""`bark-hf train merge`: the options of `bark_hf.training.merging.merge_adapters`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import only_our_words


def merge(
    adapters: Annotated[
        list[Path], typer.Argument(metavar="ADAPTER...", help="Folders adapter/ of runs with --lora-rank, one a stage.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write; must be new.")],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="MODEL", help="Checkpoint. Default: the one they were trained on."),
    ] = None,
) -> None:
    """Merge saved adapters into the checkpoint that they were trained on."""
    with only_our_words():
        from ..registration import register
        from ..training.merging import merge_adapters

        register()  # a checkpoint's codec may be one of ours
        result = merge_adapters(adapters, output, model)
    print(result)


__all__ = ["merge"]
