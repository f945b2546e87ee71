"""Pictures for the documentation: a figure or a PNG -> a small PNG. Knows colours and bytes, not what is drawn."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

MOST_BYTES = 150_000


def save(figure: Any, path: Path, colours: int = 128) -> None:
    """With few colours, which keeps spectrograms small.

    Raises:
        ValueError: if it is not small.
    """
    content = BytesIO()
    figure.savefig(content, format="png", dpi=80)
    shrink(content, path, colours)


def shrink(png: BytesIO | Path, path: Path, colours: int = 128) -> None:
    """Write a PNG again with few colours; errors as `save`, and nothing is written then."""
    small = BytesIO()
    few = Image.open(png).convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    few.save(small, format="png", optimize=True)
    size = len(small.getvalue())
    if size > MOST_BYTES:
        raise ValueError(f"{path} would have {size} bytes; {MOST_BYTES} are the most; draw it smaller")
    path.write_bytes(small.getvalue())
    print(f"{path}: {size / 1000:.0f} kB", flush=True)
