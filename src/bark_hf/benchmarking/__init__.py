"""How fast each mode is beside `transformers.BarkModel`: the same random weights, in turns, in one process."""

from __future__ import annotations

from .measuring import Measured, measure
from .modes import MODES
from .pair import SIZES

__all__ = ["MODES", "SIZES", "Measured", "measure"]
