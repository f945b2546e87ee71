"""Codes <-> waveform. Knows any codec of Transformers' kind (`decode(audio_codes, audio_scales)`); knows no stage."""

from .decoding import decode_codes, n_codebooks

__all__ = ["decode_codes", "n_codebooks"]
