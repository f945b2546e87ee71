"""A Vocos decoder over EnCodec's codes: the same codes as Suno's checkpoints, decoded with fewer artefacts.

`use_vocos` puts it into a Bark model; `vocos_files` reads the public weights. Knows EnCodec's codes and the decoder;
knows no transformer of Bark.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import EncodecConfig, EncodecModel, PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.configuration_utils import SubConfigSpec
from transformers.models.encodec.modeling_encodec import EncodecDecoderOutput, EncodecEncoderOutput, EncodecOutput

from .checks import check_codes
from .vocos import VocosDecoder, init_decoder_weights


@strict
class VocosEncodecConfig(PreTrainedConfig):
    r"""Configuration of `VocosEncodecModel`; the decoder's defaults are those of `charactr/vocos-encodec-24khz`.

    Args:
        encodec_config (`EncodecConfig` or `dict`, *optional*): the frozen EnCodec; default 24 kHz.
        decoder_hidden_size (`int`, defaults to 384), decoder_num_layers (`int`, defaults to 8),
            decoder_intermediate_size (`int`, defaults to 1152): the ConvNeXt blocks.
        n_fft (`int`, defaults to 1280): window of the predicted spectra; a multiple of EnCodec's hop.
        bandwidths (`list[float]`, defaults to `[1.5, 3.0, 6.0, 12.0]`): kbit/s that the decoder is conditioned on, in
            rising order.
        bandwidth (`float`, defaults to 6.0): kbit/s that `encode` uses; Bark's eight books.
        initializer_range (`float`, defaults to 0.02): standard deviation of fresh decoder weights.

    Raises:
        ValueError: for sizes below 1, bandwidths that EnCodec lacks or that don't rise, or an n_fft that isn't a
            multiple of the hop.
    """

    model_type = "bark_vocos_encodec"
    base_config_key = "codec_config"
    sub_configs_defaults: ClassVar[dict[str, Any]] = {"encodec_config": SubConfigSpec(config_class=EncodecConfig)}

    encodec_config: dict | PreTrainedConfig | None = None
    decoder_hidden_size: int = 384
    decoder_num_layers: int = 8
    decoder_intermediate_size: int = 1152
    n_fft: int = 1280
    bandwidths: list[float] | tuple[float, ...] = (1.5, 3.0, 6.0, 12.0)
    bandwidth: float = 6.0
    initializer_range: float = 0.02

    def validate_architecture(self) -> None:
        """Check sizes; called by the `strict` dataclass machinery when a config is built and saved."""
        for name in ("decoder_hidden_size", "decoder_num_layers", "decoder_intermediate_size", "n_fft"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)!r} must be at least 1.")
        if isinstance(self.encodec_config, EncodecConfig):
            known = self.encodec_config.target_bandwidths
            if list(self.bandwidths) != sorted(set(self.bandwidths)) or not set(self.bandwidths) <= set(known):
                raise ValueError(f"bandwidths={list(self.bandwidths)} must rise and be among EnCodec's {list(known)}.")
            if self.n_fft % self.hop_length:
                raise ValueError(
                    f"n_fft={self.n_fft} must be a multiple of EnCodec's hop of {self.hop_length} samples."
                )
        if self.bandwidth not in self.bandwidths:
            raise ValueError(f"bandwidth={self.bandwidth} must be one of bandwidths={list(self.bandwidths)}.")

    @property
    def _encodec(self) -> Any:
        return self.encodec_config

    @property
    def sampling_rate(self) -> int:
        """Samples per second."""
        return self._encodec.sampling_rate

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return self._encodec.hop_length

    @property
    def codebook_size(self) -> int:
        """Codes in a book."""
        return self._encodec.codebook_size

    @property
    def num_quantizers(self) -> int:
        """Books that can be decoded: those of the largest bandwidth."""
        return self.books_of(self.bandwidths[-1])

    def books_of(self, bandwidth: float) -> int:
        """Books that make a bandwidth in kbit/s."""
        return math.floor(bandwidth * 1000 / (self._encodec.frame_rate * math.log2(self.codebook_size)))


class VocosEncodecModel(PreTrainedModel):
    """EnCodec whose decoder is replaced by a Vocos decoder; the same `encode` and `decode`, and the same codes.

    Attributes:
        encodec (`transformers.EncodecModel`): makes the codes; never trained.
        codebooks (buffer, float [books, codes, width]): vectors whose sum is a frame.
        decoder (`VocosDecoder`): conditioned on the bandwidth.
    """

    config_class = VocosEncodecConfig
    config: Any
    base_model_prefix = "codec"
    main_input_name = "input_values"
    input_modalities = "audio"
    codebooks: torch.Tensor

    def __init__(self, config: VocosEncodecConfig):
        super().__init__(config)
        encodec: Any = config.encodec_config
        self.encodec = EncodecModel(encodec)
        shape = (config.num_quantizers, config.codebook_size, encodec.codebook_dim)
        self.register_buffer("codebooks", torch.zeros(shape))
        self.decoder = VocosDecoder(
            encodec.codebook_dim,
            config.decoder_hidden_size,
            config.decoder_num_layers,
            config.decoder_intermediate_size,
            config.n_fft,
            config.hop_length,
            num_conditions=len(config.bandwidths),
        )
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, VocosDecoder):
            init_decoder_weights(module, self.config.initializer_range)
        elif module is self:
            init.zeros_(self.codebooks)

    @classmethod
    def over(cls, encodec: EncodecModel, **sizes: Any) -> VocosEncodecModel:
        """A fresh decoder over an EnCodec, for Bark's eight books (or the most that this EnCodec has).

        Args:
            encodec: its weights are shared, not copied.
            sizes: fields of `VocosEncodecConfig`.
        """
        known = [bandwidth for bandwidth in encodec.config.target_bandwidths if bandwidth <= 6.0]
        most = max(known) if known else min(encodec.config.target_bandwidths)
        sizes = {"bandwidths": [most], "bandwidth": most, "n_fft": 4 * encodec.config.hop_length} | sizes
        model = cls(VocosEncodecConfig(encodec_config=encodec.config, **sizes))
        model.encodec = encodec
        model.codebooks.copy_(encodec_codebooks(encodec, model.config.num_quantizers))
        return model.to(encodec.device)

    @torch.no_grad()
    def encode(
        self,
        input_values: torch.Tensor,
        padding_mask: torch.Tensor | None = None,
        bandwidth: float | None = None,
        return_dict: bool = True,
    ) -> EncodecEncoderOutput | tuple[Any, ...]:
        """EnCodec's `encode`; `bandwidth` defaults to `config.bandwidth`."""
        with torch.autocast(input_values.device.type, enabled=False):  # other codes in training than in use otherwise
            return self.encodec.encode(input_values, padding_mask, bandwidth or self.config.bandwidth, return_dict)

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
            audio_codes: int64 [1, B, k, T]; the decoder is told the smallest bandwidth that has k books.
            audio_scales, padding_mask, last_frame_pad_length: EnCodec's at 48 kHz; there is nothing to scale here.
            return_dict: False returns (audio_values,).

        Returns:
            audio_values float32 [B, 1, T * hop_length].

        Raises:
            ValueError: for another shape or dtype, or codes outside the codebooks.
        """
        books, size, _ = self.codebooks.shape
        check_codes(audio_codes, books, size)
        codes = audio_codes[0]
        vectors = [nn.functional.embedding(codes[:, k], self.codebooks[k]) for k in range(codes.shape[1])]
        features = torch.stack(vectors).sum(0).transpose(1, 2)  # [B, width, T]
        enough = [self.config.books_of(bandwidth) >= codes.shape[1] for bandwidth in self.config.bandwidths]
        audio = self.decoder(features, condition=enough.index(True))[:, None]
        return EncodecDecoderOutput(audio) if return_dict else (audio,)

    def forward(
        self, input_values: torch.Tensor, padding_mask: torch.Tensor | None = None, return_dict: bool = True
    ) -> EncodecOutput | tuple[torch.Tensor, torch.Tensor]:
        """Audio [B, 1, n] -> its codes and the audio decoded from them; see `encode` and `decode`."""
        codes = self.encode(input_values, padding_mask, return_dict=False)[0]
        audio = self.decode(codes, return_dict=False)[0]
        return EncodecOutput(codes, audio) if return_dict else (codes, audio)


def encodec_codebooks(encodec: EncodecModel, books: int) -> torch.Tensor:
    """EnCodec's first codebooks, float [books, codes, width]."""
    layers: Any = encodec.quantizer.layers
    return torch.stack([layer.codebook.embed for layer in layers[:books]])


def use_vocos(model: Any, folder: str | Path) -> Any:
    """Let a Bark model decode its codes by Vocos instead of EnCodec's own decoder. Nothing else changes.

    Args:
        model: a `BarkModel` whose codec is an EnCodec; changed in place, on its device and in its dtype.
        folder: written by this package's codec training (or `VocosEncodecModel.save_pretrained`), or a folder in the
            layout of `charactr/vocos-encodec-24khz` (`config.yaml`, `pytorch_model.bin`).

    Returns:
        `model`; saved and loaded again, it still has the decoder.

    Raises:
        FileNotFoundError: if the folder holds neither layout.
        ValueError: if the decoder is of another codec: rate, hop or codebook size differ.

    Example:

    ```python
    from huggingface_hub import snapshot_download

    model = use_vocos(BarkModel.from_pretrained("suno/bark"), snapshot_download("charactr/vocos-encodec-24khz"))
    ```
    """
    from .vocos_files import read_public_vocos

    folder, codec = Path(folder), model.codec_model
    encodec = codec.encodec if isinstance(codec, VocosEncodecModel) else codec
    if not isinstance(encodec, EncodecModel):
        raise ValueError(f"the model's codec is a {type(codec).__name__}; Vocos is put over an EncodecModel only.")
    if (folder / "config.yaml").is_file():
        vocos = read_public_vocos(folder, encodec)
    elif (folder / "config.json").is_file():
        vocos = VocosEncodecModel.from_pretrained(folder)
    else:
        raise FileNotFoundError(f"{folder} has neither config.json nor config.yaml; give a folder of a Vocos decoder.")
    for name in ("sampling_rate", "hop_length", "codebook_size"):
        theirs, ours = getattr(vocos.config, name), getattr(encodec.config, name)
        if theirs != ours:
            raise ValueError(f"{folder} has {name}={theirs}, and the model's codec {ours}; they don't go together.")
    parameter = next(encodec.parameters())
    model.codec_model = vocos.to(parameter.device, parameter.dtype).eval()
    model.config.codec_config = vocos.config
    return model


__all__ = ["VocosEncodecConfig", "VocosEncodecModel", "encodec_codebooks", "use_vocos"]
