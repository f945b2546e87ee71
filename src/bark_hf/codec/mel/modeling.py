"""`BarkMelCodecModel`: sound -> codes -> sound, with the calls of `transformers.EncodecModel`.

Knows how spectrogram, quantiser and decoder fit together, and what input is refused; knows no transformer of Bark.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.models.encodec.modeling_encodec import EncodecDecoderOutput, EncodecEncoderOutput, EncodecOutput

from ..checks import check_codes
from ..vocos import VocosDecoder, init_decoder_weights
from .configuration import BarkMelCodecConfig
from .quantizer import ResidualQuantizer
from .spectrogram import log_mel


class BarkMelCodecModel(PreTrainedModel):
    """A codec for speech at 75 frames per second: residual-quantised log-mel frames and a Vocos-style decoder.

    Encoding has no network in it: codes are known as soon as `fit_quantizer` has seen some speech; the decoder
    is trained afterwards, or again, without changing them.

    Attributes:
        quantizer (`ResidualQuantizer`), decoder (`VocosDecoder`)

    Example:

    ```python
    codec = BarkMelCodecModel.from_pretrained(folder)
    codes = codec.encode(audio[None, None]).audio_codes  # float32 [n] -> int64 [1, 1, 8, n // 320]
    again = codec.decode(codes, [None]).audio_values[0, 0]  # float32 [n // 320 * 320]
    ```
    """

    config_class = BarkMelCodecConfig
    config: BarkMelCodecConfig
    base_model_prefix = "codec"
    main_input_name = "input_values"
    input_modalities = "audio"

    def __init__(self, config: BarkMelCodecConfig):
        super().__init__(config)
        self.quantizer = ResidualQuantizer(
            config.num_mel_bins, config.n_components, config.num_quantizers, config.codebook_size
        )
        self.decoder = VocosDecoder(
            config.num_mel_bins,
            config.decoder_hidden_size,
            config.decoder_num_layers,
            config.decoder_intermediate_size,
            config.n_fft,
            config.hop_length,
        )
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, VocosDecoder):
            init_decoder_weights(module, self.config.initializer_range)
        elif isinstance(module, ResidualQuantizer):
            for name, buffer in module.named_buffers():
                (init.ones_ if name == "scale" else init.zeros_)(buffer)

    def log_mel(self, audio: torch.Tensor) -> torch.Tensor:
        """Audio [..., n] at `config.sampling_rate` -> float32 [..., num_mel_bins, n // hop_length]."""
        config = self.config
        return log_mel(audio, config.sampling_rate, config.n_fft, config.hop_length, config.num_mel_bins)

    @torch.no_grad()
    def encode(
        self,
        input_values: torch.Tensor,
        padding_mask: torch.Tensor | None = None,
        return_dict: bool = True,
    ) -> EncodecEncoderOutput | tuple[torch.Tensor, list[None]]:
        """Audio -> codes.

        Args:
            input_values: float [B, 1, n] at `config.sampling_rate`, full scale -1..1; what is left of n after whole
                frames isn't encoded.
            padding_mask: accepted as EnCodec's is; must be all ones: encode items of unequal length one by one.
            return_dict: False returns (audio_codes, audio_scales).

        Returns:
            audio_codes int64 [1, B, num_quantizers, n // hop_length] (one chunk), audio_scales [None].

        Raises:
            ValueError: for another shape or dtype, for NaN or infinite samples, or when the codebooks aren't fitted.
        """
        self._check_fitted()
        if input_values.ndim != 3 or input_values.shape[1] != 1 or not input_values.is_floating_point():
            raise ValueError(
                f"input_values must be float [batch, 1, samples], not {input_values.dtype} of shape "
                f"{tuple(input_values.shape)}; mix stereo down and add the missing dimensions."
            )
        if padding_mask is not None and not bool(padding_mask.all()):
            raise ValueError("padding_mask has zeros; padding would be encoded as sound; encode such items one by one.")
        if not bool(input_values.isfinite().all()):
            bad = int((~input_values.isfinite()).sum())
            raise ValueError(f"{bad} of {input_values.numel()} samples are NaN or infinite; repair or drop the clip.")
        codes = self.quantizer.encode(self.log_mel(input_values[:, 0]))[None]
        return EncodecEncoderOutput(codes, [None], 0) if return_dict else (codes, [None])

    def decode(
        self,
        audio_codes: torch.Tensor,
        audio_scales: Any = None,
        padding_mask: torch.Tensor | None = None,
        return_dict: bool = True,
        last_frame_pad_length: int | None = None,
    ) -> EncodecDecoderOutput | tuple[torch.Tensor]:
        """Codes -> audio; differentiable with respect to the decoder's weights.

        Args:
            audio_codes: int64 [1, B, k, T]; fewer books than `num_quantizers` give a rougher sound.
            audio_scales, padding_mask, last_frame_pad_length: EnCodec's; there is nothing to scale or to cut here.
            return_dict: False returns (audio_values,).

        Returns:
            audio_values float32 [B, 1, T * hop_length].

        Raises:
            ValueError: for another shape or dtype, codes outside 0..`codebook_size` - 1, or codebooks that aren't
                fitted.
        """
        self._check_fitted()
        check_codes(audio_codes, self.config.num_quantizers, self.config.codebook_size)
        audio = self.decoder(self.quantizer.normalised(audio_codes[0]))[:, None]
        return EncodecDecoderOutput(audio) if return_dict else (audio,)

    def forward(
        self, input_values: torch.Tensor, padding_mask: torch.Tensor | None = None, return_dict: bool = True
    ) -> EncodecOutput | tuple[torch.Tensor, torch.Tensor]:
        """Audio [B, 1, n] -> its codes and the audio decoded from them; see `encode` and `decode`."""
        codes = self.encode(input_values, padding_mask, return_dict=False)[0]
        audio = self.decode(codes, return_dict=False)[0]
        return EncodecOutput(codes, audio) if return_dict else (codes, audio)

    def _check_fitted(self) -> None:
        if not self.quantizer.is_fitted:
            raise ValueError("The codec's codebooks are empty; run `fit_quantizer` on speech, or load a fitted codec.")


__all__ = ["BarkMelCodecModel"]
