"""The frame network's sizes. Knows numbers only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FrameNetworkConfig:
    """Settings of `FrameNetworkTokenizer`; the defaults have 0.48 million parameters and see 0.4 s to each side.

    Attributes:
        vocab_size: tokens are 0..vocab_size-1.
        sampling_rate: of the sound that the log-mel is made of, in Hz. 16 kHz holds what tells phones apart, and is
            the same for narrow and wide recordings.
        hop_length: samples per token; 320 at 16 kHz is 50 Hz.
        n_fft: samples of one spectrum.
        num_mel_bins: bands of the log-mel.
        hidden_size: channels of the network.
        num_layers: ConvNeXt blocks.
        expansion: a block's inner channels, as a multiple of `hidden_size`.
        kernel_size: frames that one convolution sees, odd.
        switching_penalty: nats that a change of token costs when `encode` picks the path; 0: the likeliest per frame.
    """

    vocab_size: int = 128
    sampling_rate: int = 16_000
    hop_length: int = 320
    n_fft: int = 640
    num_mel_bins: int = 80
    hidden_size: int = 128
    num_layers: int = 6
    expansion: int = 2
    kernel_size: int = 7
    switching_penalty: float = 0.0

    def __post_init__(self) -> None:
        for name in ("vocab_size", "sampling_rate", "hop_length", "n_fft", "num_mel_bins", "hidden_size", "expansion"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be a whole number from 1 on")
        if not isinstance(self.num_layers, int) or self.num_layers < 0:
            raise ValueError(f"num_layers is {self.num_layers!r}; it must be a whole number from 0 on")
        if not isinstance(self.kernel_size, int) or self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is {self.kernel_size!r}; it must be odd, so that a frame is in the middle")
        if not self.switching_penalty >= 0:
            raise ValueError(f"switching_penalty is {self.switching_penalty!r}; it must be 0 or more, in nats")


__all__ = ["FrameNetworkConfig"]
