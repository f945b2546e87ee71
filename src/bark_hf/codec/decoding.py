"""Codes -> audio, each item at its own length.

EnCodec's decoder contains an LSTM, so padding behind an item would change the sound in front of it; decoding takes a
thousandth of the time of the stages, so it is done item by item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..devices import execution_device


def n_codebooks(codec: Any) -> int:
    """How many codebooks the codec can decode."""
    return codec.config.num_quantizers


def decode_codes(
    codec: Any, codes: Sequence[torch.Tensor], progress: Callable[[str, int, int], None] | None = None
) -> list[torch.Tensor]:
    """Decode each item alone.

    Args:
        codec: `transformers.EncodecModel`, or any model with its `decode`.
        codes: per item, int64 [K, T]; T may be 0.
        progress: called with ("codec", items so far, items in all).

    Returns:
        per item, float32 waveform [hop_length * T] on the codec's device, whatever the codec's dtype.
    """
    device = execution_device(codec)
    audio = []
    for n, item in enumerate(codes, start=1):
        if item.shape[1] == 0:
            audio.append(torch.empty(0, device=device))
        else:
            decoded = codec.decode(item.to(device)[None, None], [None], return_dict=True)  # codes [chunks, B, K, T]
            audio.append(decoded.audio_values[0, 0].float())
        if progress is not None:
            progress("codec", n, len(codes))
    return audio
