"""HuBERT features -> a two-layer LSTM -> Bark's 10,000 semantic ids, for checkpoints whose own tokenizer is not public.

The network is the one that the community's quantizers have (github.com/gitmylo/bark-voice-cloning-HuBERT-quantizer);
`community_file` reads those. Knows features and the network; must not know files or training pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from transformers.utils import ModelOutput

from ..devices import execution_device
from ..tokens import SEMANTIC_RATE_HZ, SEMANTIC_VOCAB_SIZE
from .base import SemanticTokenizer
from .speech_encoder import SpeechEncoder


@dataclass(frozen=True)
class HubertQuantizerConfig:
    """Settings of `HubertQuantizer`; the defaults are the community's.

    Attributes:
        encoder: folder or Hub name of the speech encoder.
        layer: its hidden state, see `SpeechEncoder`.
        normalize_input: whether the waveform is brought to mean 0 and variance 1; the community's code doesn't.
        input_size: the encoder's features per frame.
        hidden_size: of the LSTM.
        intermediate_size: a linear layer between LSTM and output ("version 1"); None: there is none ("version 0").
        vocab_size: semantic tokens.
        semantic_rate_hz: nominal rate of the tokens. HuBERT's 50 Hz less the frames that don't fit into the ends are
            499 in 10 s: Bark's 49.9.
        sampling_rate: of the encoder's input, in Hz.
    """

    encoder: str = "facebook/hubert-base-ls960"
    layer: int = 9
    normalize_input: bool = False
    input_size: int = 768
    hidden_size: int = 1_024
    intermediate_size: int | None = 4_096
    vocab_size: int = SEMANTIC_VOCAB_SIZE
    semantic_rate_hz: float = SEMANTIC_RATE_HZ
    sampling_rate: int = 16_000


class HubertQuantizer(SemanticTokenizer):
    """Semantic tokens by a recurrent network over a speech encoder's features.

    The encoder is loaded when it is needed first, so that training on stored features goes without.

    Args:
        config: sizes and the encoder.
        encoder_folder: where the speech encoder is, if not where the configuration says.
    """

    tokenizer_type = "hubert_quantizer"
    config_class = HubertQuantizerConfig
    config: HubertQuantizerConfig

    def __init__(self, config: HubertQuantizerConfig, encoder_folder: str | None = None) -> None:
        super().__init__(config)
        self._encoder_source = encoder_folder or config.encoder
        self.lstm = nn.LSTM(config.input_size, config.hidden_size, num_layers=2, batch_first=True)
        size = config.hidden_size
        self.intermediate = None if config.intermediate_size is None else nn.Linear(size, config.intermediate_size)
        self.fc = nn.Linear(config.intermediate_size or size, config.vocab_size)

    @classmethod
    def from_files(cls, config: HubertQuantizerConfig, encoder: str | None) -> HubertQuantizer:
        return cls(config, encoder)

    @property
    def rate_hz(self) -> float:
        return self.config.semantic_rate_hz

    @property
    def frame_rate_hz(self) -> float:
        return self.config.sampling_rate / self.load_encoder().hop_length

    @property
    def vocab_size(self) -> int:
        return self.config.vocab_size

    def load_encoder(self) -> SpeechEncoder:
        """The speech encoder, loaded at the first call.

        Raises:
            ValueError: if its features have another size than the network takes.
        """
        if self.encoder is None:
            config = self.config
            encoder = SpeechEncoder(self._encoder_source, config.layer, config.normalize_input)
            if (encoder.feature_size, encoder.sampling_rate) != (config.input_size, config.sampling_rate):
                raise ValueError(
                    f"{self._encoder_source} has {encoder.feature_size} features at {encoder.sampling_rate} Hz, but "
                    f"the quantizer takes {config.input_size} at {config.sampling_rate} Hz; choose the encoder it was "
                    "trained with"
                )
            self.encoder = encoder.to(execution_device(self))
        return self.encoder

    def features_of(self, waveform: torch.Tensor) -> torch.Tensor:
        """float32 [n] at the configuration's rate -> float32 [S, input_size]."""
        return self.load_encoder()(waveform).float()

    def forward(
        self,
        input_features: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
    ) -> ModelOutput:
        """Scores of all tokens for each frame.

        Args:
            input_features: float [B, S, input_size] from `features_of`.
            attention_mask: taken and not needed: the LSTM runs forward, padding is behind the frames.
            labels: int64 [B, S], -100 where there is none.

        Returns:
            loss (mean cross-entropy in nats, if there are labels) and logits [B, S, vocab_size].
        """
        hidden, _ = self.lstm(input_features.to(self.fc.weight.dtype))
        if self.intermediate is not None:
            hidden = self.intermediate(hidden)
        logits = self.fc(hidden)
        if labels is None:
            return ModelOutput(logits=logits)
        return ModelOutput(loss=functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten()), logits=logits)

    def tokens_of(self, waveform: torch.Tensor) -> torch.Tensor:
        return self(self.features_of(waveform)[None]).logits[0].argmax(dim=-1)


__all__ = ["HubertQuantizer", "HubertQuantizerConfig"]
