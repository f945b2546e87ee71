"""What the parts must be for Bark's route to run over them.

Knows configurations and the numbers of `tokens`; knows no tensor and no file format.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

from .. import tokens
from ..configuration_bark import BarkConfig
from .errors import ConversionError

_COARSE_IDS = tokens.SEMANTIC_VOCAB_SIZE + tokens.N_COARSE_CODEBOOKS * tokens.CODEBOOK_SIZE
_SEMANTIC_POSITIONS = tokens.MAX_TEXT_LENGTH + tokens.MAX_SEMANTIC_TOKENS
_COARSE_POSITIONS = tokens.MAX_COARSE_INPUT_LENGTH + 1 + tokens.MAX_COARSE_HISTORY + tokens.SLIDING_WINDOW_LEN - 1


class Limit(NamedTuple):
    """`field` of the configuration must be in `least`..`most`."""

    field: str
    least: int
    most: int
    why: str

    def text(self) -> str:
        """The limit in words."""
        if self.least == self.most:
            return f"must be {self.least:,}"
        return f"must be at least {self.least:,}" if self.most == NO_LIMIT else f"must be at most {self.most:,}"


NO_LIMIT = sys.maxsize

LIMITS = (
    Limit("semantic.input_vocab_size", tokens.SEMANTIC_INFER_TOKEN + 1, NO_LIMIT, "the infer token is the last id"),
    Limit("semantic.output_vocab_size", tokens.SEMANTIC_PAD_TOKEN + 1, NO_LIMIT, "the end token is the last id drawn"),
    Limit("semantic.block_size", _SEMANTIC_POSITIONS, NO_LIMIT, "a prompt and the longest answer must fit"),
    Limit(
        "coarse_acoustics.input_vocab_size", tokens.COARSE_INFER_TOKEN + 1, NO_LIMIT, "the infer token is the last id"
    ),
    Limit("coarse_acoustics.output_vocab_size", _COARSE_IDS, NO_LIMIT, "both codebooks must be drawn"),
    Limit("coarse_acoustics.block_size", _COARSE_POSITIONS, NO_LIMIT, "a window and its history must fit"),
    Limit("fine_acoustics.input_vocab_size", tokens.CODEBOOK_SIZE + 1, NO_LIMIT, "the last id means unknown"),
    Limit("fine_acoustics.output_vocab_size", tokens.CODEBOOK_SIZE, NO_LIMIT, "every code must be drawn"),
    Limit("fine_acoustics.block_size", tokens.MAX_FINE_INPUT_LENGTH, NO_LIMIT, "a window must fit"),
    Limit("fine_acoustics.n_codes_total", tokens.N_FINE_CODEBOOKS, tokens.N_FINE_CODEBOOKS, "Bark has 8 codebooks"),
    Limit("fine_acoustics.n_codes_given", 1, tokens.N_COARSE_CODEBOOKS, "the coarse stage writes 2 codebooks"),
    Limit("codec.sampling_rate", tokens.SAMPLE_RATE, tokens.SAMPLE_RATE, "Bark uses the 24 kHz EnCodec"),
    Limit("codec.audio_channels", 1, 1, "Bark is mono"),
    Limit("codec.frame_rate", tokens.COARSE_RATE_HZ, tokens.COARSE_RATE_HZ, "codes are 75 frames a second"),
    Limit("codec.codebook_size", tokens.CODEBOOK_SIZE, tokens.CODEBOOK_SIZE, "codes are 0 to 1,023"),
    Limit("codec.num_quantizers", tokens.N_FINE_CODEBOOKS, NO_LIMIT, "the fine stage writes 8 codebooks"),
)


def check_limits(config: BarkConfig) -> None:
    """Check that the parts fit each other and Bark's token ids.

    Raises:
        ConversionError: naming the field, its value and the limit.
    """
    for limit in LIMITS:
        part, field = limit.field.split(".")
        value = getattr(getattr(config, f"{part}_config"), field)
        if not limit.least <= value <= limit.most:
            remedy = "Give the 24 kHz EnCodec." if part == "codec" else "Is this Suno's file for this part?"
            raise ConversionError(f"{part}: {field} is {value:,} and {limit.text()}: {limit.why}. {remedy}")
