"""Decode steps and products in C++, for processors with AVX-512 VNNI; compiled on first use."""

from __future__ import annotations
