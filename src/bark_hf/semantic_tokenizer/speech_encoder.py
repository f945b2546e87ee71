"""Features of a speech encoder from Transformers: HuBERT, wav2vec2, WavLM, Whisper's encoder, and their kin.

Knows how such an encoder takes sound and how many frames it gives; must not know tokens.
"""

from __future__ import annotations

import math
import os
from typing import Any

import torch
from torch import nn


class SpeechEncoder(nn.Module):
    """One layer's features of one recording after the other.

    Args:
        source: folder or Hub name of the encoder.
        layer: index into Transformers' hidden states: 0 is what goes into the first layer, k comes out of layer k.
        normalize_input: whether the waveform is brought to mean 0 and variance 1; None: as the encoder's feature
            extractor says. Whisper has its own log-mel and ignores this.

    Raises:
        ValueError: if the model is no speech encoder of a kind that is known, or has no such layer.
    """

    def __init__(self, source: str | os.PathLike[str], layer: int, normalize_input: bool | None = None) -> None:
        from transformers import AutoFeatureExtractor, AutoModel

        super().__init__()
        self.source = os.fspath(source)
        self.layer = layer
        self.model: Any = AutoModel.from_pretrained(self.source).eval().requires_grad_(False)
        self.extractor: Any = AutoFeatureExtractor.from_pretrained(self.source)
        config = self.model.config
        self.is_whisper = config.model_type == "whisper"
        if not self.is_whisper and not hasattr(config, "conv_stride"):
            raise ValueError(
                f"{self.source} is of the kind {config.model_type!r}; HuBERT, wav2vec2, WavLM and Whisper are known; "
                "choose one of them"
            )
        n_layers = config.encoder_layers if self.is_whisper else config.num_hidden_layers
        if not 0 <= layer <= n_layers:
            raise ValueError(f"layer={layer}, but {self.source} has {n_layers} layers; choose 0..{n_layers}")
        if normalize_input is not None and not self.is_whisper:
            self.extractor.do_normalize = normalize_input

    @property
    def sampling_rate(self) -> int:
        """Samples per second that the encoder takes."""
        return int(self.extractor.sampling_rate)

    @property
    def hop_length(self) -> int:
        """Samples per frame: the product of all strides."""
        if self.is_whisper:
            return 2 * int(self.extractor.hop_length)  # the encoder's second convolution has stride 2
        return math.prod(self.model.config.conv_stride)

    @property
    def feature_size(self) -> int:
        """Features per frame."""
        config = self.model.config
        return int(config.d_model if self.is_whisper else config.hidden_size)

    def n_frames(self, n_samples: int) -> int:
        """Frames of a recording; wav2vec2's kind has no frame that sticks out over the end."""
        if self.is_whisper:
            return n_samples // self.hop_length
        for kernel, stride in zip(self.model.config.conv_kernel, self.model.config.conv_stride, strict=True):
            n_samples = (n_samples - kernel) // stride + 1 if n_samples >= kernel else 0
        return n_samples

    @torch.no_grad()
    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        """Features of one recording.

        Args:
            waveform: float32 [n] at `sampling_rate`.

        Returns:
            float [n_frames(n), feature_size].

        Raises:
            ValueError: if the recording is shorter than one frame.
        """
        n_samples = waveform.shape[0]
        if self.n_frames(n_samples) == 0:
            seconds = n_samples / self.sampling_rate
            raise ValueError(f"{seconds:.3f} s of sound are shorter than one frame of {self.source}; give 0.03 s")
        if not self.is_whisper:
            return self._hidden(self.model, self._inputs(waveform).input_values)
        window = int(self.extractor.n_samples)  # 30 s; longer recordings go through one window after the other
        parts = [
            self._hidden(self.model.get_encoder(), self._inputs(part).input_features)[: self.n_frames(part.shape[0])]
            for part in waveform.split(window)
        ]
        return torch.cat(parts)

    def _inputs(self, waveform: torch.Tensor) -> Any:
        return self.extractor(waveform.cpu().numpy(), sampling_rate=self.sampling_rate, return_tensors="pt")

    def _hidden(self, network: Any, inputs: torch.Tensor) -> torch.Tensor:
        """The chosen hidden state [S, F] of one item."""
        parameter = next(network.parameters())
        inputs = inputs.to(parameter.device, parameter.dtype)
        return network(inputs, output_hidden_states=True).hidden_states[self.layer][0]

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write the encoder and its feature extractor into one folder."""
        self.model.save_pretrained(folder)
        self.extractor.save_pretrained(folder)


__all__ = ["SpeechEncoder"]
