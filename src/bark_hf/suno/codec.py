"""The codec under the names of Meta's `encodec` package, which scripts for Suno's API call.

Knows one checkpoint's codec; knows no stage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ..codec import decode_codes
from ..generation_configuration_bark import BarkGenerationConfig


class SunoCodec(torch.nn.Module):
    """A checkpoint's codec as Suno's `load_codec_model` returns it.

    Args:
        codec: `transformers.EncodecModel`, or a codec of this package.
        config: how many codebooks Bark uses.

    Attributes:
        codec: what was given.
        sample_rate: samples per second.
        channels: 1.
    """

    def __init__(self, codec: Any, config: BarkGenerationConfig):
        super().__init__()
        self.codec = codec
        self.sample_rate = config.sample_rate
        self.channels = 1
        self._n_codebooks = config.fine_acoustics_config.n_fine_codebooks
        self._rate_hz = config.coarse_acoustics_config.coarse_rate_hz

    @torch.no_grad()
    def encode(self, x: torch.Tensor) -> list[tuple[torch.Tensor, None]]:
        """Sound [B, 1, n] at `sample_rate` -> one frame, as Meta returns it: codes int64 [B, 8, T], and no scale.

        Raises:
            ValueError: for another shape, or if the checkpoint's codec can only decode.
        """
        if x.ndim != 3 or x.shape[1] != self.channels:
            raise ValueError(f"The sound has shape {list(x.shape)}, but must have [batch, 1, samples]: mix to mono.")
        if not hasattr(self.codec, "encode"):
            raise ValueError(f"{type(self.codec).__name__} can only decode: make voices with Suno's own codec.")
        options = {"bandwidth": self._bandwidth()} if hasattr(self.codec.config, "target_bandwidths") else {}
        codes = self.codec.encode(x, **options).audio_codes  # [1 chunk, B, K, T]
        return [(codes[0, :, : self._n_codebooks], None)]

    @torch.no_grad()
    def decode(self, encoded_frames: Sequence[tuple[torch.Tensor, Any]]) -> torch.Tensor:
        """What `encode` returns -> sound float32 [B, 1, samples]."""
        codes = torch.cat([frame[0] for frame in encoded_frames], dim=-1)
        return torch.stack(decode_codes(self.codec, list(codes)))[:, None]

    def _bandwidth(self) -> float:
        """Kilobits per second of Bark's codebooks; EnCodec's own default is its lowest."""
        return self._n_codebooks * self._rate_hz * math.log2(self.codec.config.codebook_size) / 1000


__all__ = ["SunoCodec"]
