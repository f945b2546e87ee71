"""Sizes of the log-mel codec, as a `config.json` of its own or as the `codec_config` of a `BarkConfig`.

Knows sizes and names; knows no tensor.
"""

from __future__ import annotations

from typing import ClassVar

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

_SIZES = (
    "sampling_rate",
    "n_fft",
    "hop_length",
    "num_mel_bins",
    "n_components",
    "num_quantizers",
    "codebook_size",
    "decoder_hidden_size",
    "decoder_num_layers",
    "decoder_intermediate_size",
)


@strict
class BarkMelCodecConfig(PreTrainedConfig):
    r"""Configuration of `BarkMelCodecModel`; the defaults give Bark's 75 frames per second, 8 books of 1,024 codes.

    Args:
        sampling_rate (`int`, defaults to 24000): samples per second.
        n_fft (`int`, defaults to 1280): window of the spectra, in samples; a multiple of `hop_length`.
        hop_length (`int`, defaults to 320): samples per frame.
        num_mel_bins (`int`, defaults to 100): mel bands of a frame.
        n_components (`int`, defaults to 64): principal components that are quantised; at most `num_mel_bins`.
        num_quantizers (`int`, defaults to 8): codebooks, each for what those before it leave over.
        codebook_size (`int`, defaults to 1024): vectors in a codebook.
        decoder_hidden_size (`int`, defaults to 256), decoder_num_layers (`int`, defaults to 6),
            decoder_intermediate_size (`int`, defaults to 768): the ConvNeXt blocks of the decoder.
        initializer_range (`float`, defaults to 0.02): standard deviation of fresh decoder weights.

    Raises:
        ValueError: for a size below 1, a window that isn't a multiple of the hop, or more components than bands.

    Example:

    ```python
    >>> from bark_hf.codec.mel import BarkMelCodecConfig
    >>> BarkMelCodecConfig().frame_rate
    75.0

    ```
    """

    model_type = "bark_mel_codec"
    base_config_key = "codec_config"
    attribute_map: ClassVar[dict[str, str]] = {"hidden_size": "decoder_hidden_size"}

    sampling_rate: int = 24_000
    n_fft: int = 1280
    hop_length: int = 320
    num_mel_bins: int = 100
    n_components: int = 64
    num_quantizers: int = 8
    codebook_size: int = 1024
    decoder_hidden_size: int = 256
    decoder_num_layers: int = 6
    decoder_intermediate_size: int = 768
    initializer_range: float = 0.02

    def validate_architecture(self) -> None:
        """Check sizes; called by the `strict` dataclass machinery when a config is built and saved."""
        for name in _SIZES:
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name}={value!r} must be at least 1.")
        if self.n_fft % self.hop_length or self.n_fft % 2:
            raise ValueError(
                f"n_fft={self.n_fft} must be even and a multiple of hop_length={self.hop_length}: "
                f"take {4 * self.hop_length} (four hops)."
            )
        if self.n_components > self.num_mel_bins:
            raise ValueError(f"n_components={self.n_components} exceeds num_mel_bins={self.num_mel_bins}: lower it.")

    @property
    def frame_rate(self) -> float:
        """Frames (codes of a book) per second."""
        return self.sampling_rate / self.hop_length


__all__ = ["BarkMelCodecConfig"]
