"""Faster modes of a finished model: quantised weights, bfloat16, CUDA graphs, less memory. Wraps, never edits."""

from __future__ import annotations

from .accelerated_model import AcceleratedBarkModel
from .folder import is_accelerated, load
from .low_memory import low_memory
from .optimizing import optimize

__all__ = ["AcceleratedBarkModel", "is_accelerated", "load", "low_memory", "optimize"]
