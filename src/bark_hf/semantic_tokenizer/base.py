"""What all semantic tokenizers share: one `encode`, a rate, a vocabulary, and two files that hold no code.

A tokenizer's folder has `semantic_tokenizer_config.json` (its kind and its settings) and
`semantic_tokenizer.safetensors` (its tensors); one with a speech encoder may have that in the folder `encoder`.
Must not know any kind of tokenizer.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from safetensors.torch import save_file
from torch import nn

from ..devices import execution_device
from .waveform import prepare_waveform

CONFIG_NAME = "semantic_tokenizer_config.json"
WEIGHTS_NAME = "semantic_tokenizer.safetensors"
ENCODER_FOLDER = "encoder"

Config = TypeVar("Config")


class SemanticTokenizer(nn.Module, ABC):
    """Speech -> semantic tokens, one token per frame.

    Attributes:
        tokenizer_type: the kind's name in the configuration file.
        config_class: dataclass of the kind's settings.
        config: the settings; `sampling_rate` is among them.
        encoder: the speech encoder (`SpeechEncoder`) of a kind that has one, else None.
    """

    tokenizer_type: ClassVar[str]
    config_class: ClassVar[type]

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.encoder: Any = None

    @property
    @abstractmethod
    def rate_hz(self) -> float:
        """Tokens per second."""

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second of the features, which a nominal `rate_hz` may be an average of."""
        return self.rate_hz

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Tokens are 0..vocab_size-1."""

    @abstractmethod
    def tokens_of(self, waveform: torch.Tensor) -> torch.Tensor:
        """float32 [n] at the tokenizer's own rate, on its device -> int64 [S]."""

    def encode(self, audio: Any, sampling_rate: int) -> torch.Tensor:
        """Semantic tokens of one recording.

        Args:
            audio: mono samples [n], NumPy or torch: float in about -1..1, or integer PCM.
            sampling_rate: samples per second of `audio`; any, it is resampled.

        Returns:
            int64 [S] on the CPU, about `rate_hz` tokens per second.

        Raises:
            ValueError: for stereo, NaN, no samples, or less sound than one frame needs.
        """
        waveform = prepare_waveform(audio, sampling_rate, self.config.sampling_rate)
        was_training = self.training
        self.eval()
        try:
            with torch.no_grad():
                return self.tokens_of(waveform.to(execution_device(self))).cpu()
        finally:
            self.train(was_training)

    def own_state(self) -> dict[str, torch.Tensor]:
        """The tensors of the tokenizer's own file: all but the speech encoder's."""
        state = self.state_dict()
        return {name: tensor for name, tensor in state.items() if not name.startswith(f"{ENCODER_FOLDER}.")}

    def save_pretrained(
        self, folder: str | os.PathLike[str], dtype: torch.dtype | None = None, with_encoder: bool = False
    ) -> Path:
        """Write the tokenizer's two files; existing ones are replaced, each at once.

        Args:
            folder: created if need be.
            dtype: floating-point type in the file (float16 halves it); None: as they are.
            with_encoder: write the speech encoder too, in the subfolder `encoder`, so that nothing else is needed.

        Returns:
            the folder.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            name: (tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor).cpu().contiguous()
            for name, tensor in self.own_state().items()
        }
        part = folder / f".{WEIGHTS_NAME}.part"
        save_file(state, part)
        part.replace(folder / WEIGHTS_NAME)
        settings = {"tokenizer_type": self.tokenizer_type, "rate_hz": self.rate_hz, **asdict(self.config)}
        part = folder / f".{CONFIG_NAME}.part"
        part.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        (folder / WEIGHTS_NAME).chmod(part.stat().st_mode)  # safetensors makes files readable by the owner alone
        part.replace(folder / CONFIG_NAME)
        if with_encoder and self.encoder is not None:
            self.encoder.save_pretrained(folder / ENCODER_FOLDER)
        return folder

    @classmethod
    def from_files(cls, config: Any, encoder: str | None) -> SemanticTokenizer:
        """An instance whose own tensors are still to be filled.

        Args:
            config: of `config_class`.
            encoder: a folder with the speech encoder, where it was saved along.
        """
        return cls(config)


def config_of(config_class: type[Config], settings: Mapping[str, Any], where: str) -> Config:
    """Settings from a file as the kind's dataclass.

    Raises:
        ValueError: for an unknown or missing setting, or one that can't be.
    """
    known = {field.name for field in fields(config_class)}  # type: ignore[arg-type]
    values = {name: value for name, value in settings.items() if name not in ("tokenizer_type", "rate_hz")}
    if unknown := sorted(set(values) - known):
        raise ValueError(f"{where} has unknown settings {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    try:
        return config_class(**values)
    except TypeError as error:
        raise ValueError(f"{where} can't be used: {error}; get the file again") from None


__all__ = ["CONFIG_NAME", "ENCODER_FOLDER", "WEIGHTS_NAME", "SemanticTokenizer", "config_of"]
