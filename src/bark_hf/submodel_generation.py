"""What the `generate` methods of the three sub-models share: Transformers' argument names, thin calls of the stages.

Knows how padded tensors become items and back; the stages themselves are in `bark_hf.generation`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from . import tokens
from .generation.inputs import processor_list
from .generation_configuration_bark import BarkGenerationConfig, BarkSemanticGenerationConfig


class Call(NamedTuple):
    """Arguments of one call that are no generation options."""

    seed: int | Sequence[int] | None
    processors: list[Any]
    progress: Callable[[str, int, int], None] | None


class SubModelGeneration:
    """Mixin of the three sub-models."""

    base_model_prefix: str

    def _call(self, kwargs: dict[str, Any], codebook_size: int = tokens.CODEBOOK_SIZE, **stages: Any) -> Any:
        """Split keywords into a `BarkGenerationConfig` for this call and a `Call`."""
        call = Call(
            kwargs.pop("seed", None), processor_list(kwargs.pop("logits_processor", None)), kwargs.pop("progress", None)
        )
        config = BarkGenerationConfig(
            semantic_config=_as_dict(stages.get("semantic")),
            coarse_acoustics_config=_as_dict(stages.get("coarse")),
            fine_acoustics_config=_as_dict(stages.get("fine")),
            codebook_size=codebook_size,
        )
        stage = {"semantic": "semantic", "coarse_acoustics": "coarse", "fine_acoustics": "fine"}[self.base_model_prefix]
        return config.with_keywords(**{f"{stage}_{name}": value for name, value in kwargs.items()}), call

    @staticmethod
    def _pad(items: Sequence[torch.Tensor], value: int = 0) -> torch.Tensor:
        return tokens.pad_stack(items, value)

    @staticmethod
    def _semantic_items(padded: torch.Tensor, config: BarkSemanticGenerationConfig) -> list[torch.Tensor]:
        """Rows of a padded [B, S] tensor up to their first pad or EOS token."""
        items = _until(padded, config.semantic_pad_token)
        for i, item in enumerate(items):
            if item.numel() and not 0 <= int(item.min()) <= int(item.max()) < config.semantic_vocab_size:
                raise ValueError(
                    f"Item {i} of semantic_output holds ids {int(item.min())}..{int(item.max())}; semantic tokens are "
                    f"0..{config.semantic_vocab_size - 1}."
                )
        return items

    @staticmethod
    def _flatten(codes: Sequence[torch.Tensor], config: BarkGenerationConfig) -> list[torch.Tensor]:
        first = config.semantic_config.semantic_vocab_size
        return [tokens.flatten_codes(item, first, config.codebook_size) for item in codes]

    @staticmethod
    def _coarse_items(padded: torch.Tensor, config: BarkGenerationConfig) -> list[torch.Tensor]:
        """Codes [2, T] of each row of flattened, padded ids [B, 2 * T]."""
        n_codebooks = config.coarse_acoustics_config.n_coarse_codebooks
        first = config.semantic_config.semantic_vocab_size
        codes = []
        for i, item in enumerate(_until(padded, config.coarse_acoustics_config.coarse_semantic_pad_token)):
            if item.shape[0] % n_codebooks:
                raise ValueError(
                    f"Item {i} of coarse_output has {item.shape[0]} ids; needed is a multiple of {n_codebooks}, one id "
                    "per codebook and frame."
                )
            code = tokens.unflatten_codes(item, first, n_codebooks, config.codebook_size)
            if code.numel() and not 0 <= int(code.min()) <= int(code.max()) < config.codebook_size:
                raise ValueError(
                    f"Item {i} of coarse_output does not alternate between the codebooks: ids must start at {first} "
                    f"and {first + config.codebook_size} in turn."
                )
            codes.append(code)
        return codes


def _as_dict(config: Any) -> dict[str, Any] | None:
    if config is None or isinstance(config, dict):
        return config
    return {key: value for key, value in config.to_dict().items() if not key.startswith("_")}


def _until(padded: torch.Tensor, pad: int) -> list[torch.Tensor]:
    if padded.ndim != 2 or padded.is_floating_point():
        raise ValueError(f"Token ids must be integers [batch, length], not {padded.dtype} {tuple(padded.shape)}.")
    ends = [int((row == pad).int().argmax()) if bool((row == pad).any()) else row.shape[0] for row in padded]
    return [row[:end].long() for row, end in zip(padded, ends, strict=True)]
