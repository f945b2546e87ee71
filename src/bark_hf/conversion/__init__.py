"""Suno's checkpoints and an EnCodec -> one folder in the Hub's layout, in safetensors, verified.

`convert` does it and returns a `ConversionReport`; `main` is the command line. Everything that can be wrong with an
input is a `ConversionError` of one line.
"""

from __future__ import annotations

from .command import main
from .errors import ConversionError
from .pipeline import convert
from .report import ConversionReport

__all__ = ["ConversionError", "ConversionReport", "convert", "main"]
