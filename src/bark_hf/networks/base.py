"""What every network of Bark shares: loading rules, the stack of blocks, checks of what goes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import nn
from transformers.cache_utils import Cache
from transformers.modeling_utils import PreTrainedModel

from ..configuration_bark import BarkConfig, BarkSubModelConfig
from ..devices import execution_device
from .block import BarkBlock


class Trunk(NamedTuple):
    """What the stack of blocks gives: [B, T, E] after the last norm, and what was asked for on the way."""

    last_hidden_state: torch.Tensor
    hidden_states: tuple[torch.Tensor, ...] | None
    attentions: tuple[torch.Tensor | None, ...] | None


class BarkPreTrainedModel(PreTrainedModel):
    """Base class of all Bark models: how weights load, and which attention and cache classes work."""

    config_class = BarkConfig
    base_model_prefix = ""
    supports_gradient_checkpointing = True
    output_modalities = ("audio",)
    _no_split_modules: ClassVar[list[str]] = ["BarkBlock"]
    _skip_keys_device_placement: ClassVar[list[str]] = ["past_key_values"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    # Older files hold each causal mask as a buffer; masks are computed here.
    _keys_to_ignore_on_load_unexpected: ClassVar[list[str]] = [r"layers\.\d+\.attn\.bias$"]

    @property
    def device(self) -> torch.device:
        """Where the model computes; right also for weights that accelerate has offloaded."""
        return execution_device(self)


class BarkNetwork(BarkPreTrainedModel):
    """The parts that the causal and the fine network share; each adds its embeddings, masks and heads."""

    is_causal: bool
    config: BarkSubModelConfig

    def _add_blocks(self, config: BarkSubModelConfig) -> None:
        self.position_embeds_layer = nn.Embedding(config.block_size, config.hidden_size)
        self.drop = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(BarkBlock(config, self.is_causal, i) for i in range(config.num_layers))
        norm_bias = config.bias or not self.is_causal
        self.layernorm_final = nn.LayerNorm(config.hidden_size, bias=norm_bias)
        self.gradient_checkpointing = False

    def run_blocks(
        self,
        inputs_embeds: torch.Tensor,
        position_ids: torch.Tensor,
        mask: Callable[[torch.Tensor], torch.Tensor | None],
        past_key_values: Cache | None = None,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
        **kwargs: Any,
    ) -> Trunk:
        """Token embeddings [B, T, E] -> hidden states [B, T, E].

        Args:
            position_ids: int64 [1 or B, T], below `block_size`.
            mask: makes the attention mask from the embeddings.
        """
        if output_attentions and self.config._attn_implementation != "eager":
            raise ValueError(
                f"output_attentions=True needs attention weights, which attn_implementation="
                f"{self.config._attn_implementation!r} does not give: load with attn_implementation='eager'."
            )
        attention_mask = mask(inputs_embeds)
        hidden = self.drop(inputs_embeds + self.position_embeds_layer(position_ids))  # [B, T, E]
        states, attentions = [], []
        for block in self.layers:
            states.append(hidden)
            hidden, weights = block(hidden, attention_mask, past_key_values, **kwargs)
            attentions.append(weights)
        hidden = self.layernorm_final(hidden)
        return Trunk(
            hidden,
            (*states, hidden) if output_hidden_states else None,
            tuple(attentions) if output_attentions else None,
        )

    def _position_ids(self, given: torch.Tensor | None, past: int | torch.Tensor, embeds: torch.Tensor) -> torch.Tensor:
        """The given position ids, or the next ones behind `past` cached positions, as int64 [1 or B, T]."""
        length = embeds.shape[1]
        if given is None:
            if isinstance(past, int):
                self._check_length(past + length)
            return (torch.arange(length, device=embeds.device) + past)[None]
        if given.device.type == "cpu" and given.numel() and int(given.max()) >= self.config.block_size:
            self._check_length(int(given.max()) + 1)
        return given.to(embeds.device)

    def _check_length(self, length: int) -> None:
        if length > self.config.block_size:
            raise ValueError(
                f"A sequence of {length} positions does not fit: this network has embeddings for "
                f"block_size={self.config.block_size}. Shorten the input or the history."
            )

    def _check_ids(self, input_ids: torch.Tensor, ndim: int) -> None:
        """Shape and dtype always; values only where looking costs no synchronisation (CPU)."""
        if input_ids.ndim != ndim or input_ids.is_floating_point() or input_ids.dtype == torch.bool:
            shape = "[batch, length]" if ndim == 2 else "[batch, length, codebooks]"
            raise ValueError(
                f"input_ids must be integers {shape}, not {input_ids.dtype} of shape {tuple(input_ids.shape)}."
            )
        if input_ids.device.type == "cpu" and input_ids.numel() and not torch.compiler.is_compiling():
            low, high = (int(value) for value in input_ids.aminmax())
            if low < 0 or high >= self.config.input_vocab_size:
                raise ValueError(
                    f"input_ids hold values {low}..{high}; allowed are 0..{self.config.input_vocab_size - 1} "
                    "(input_vocab_size - 1)."
                )


def require_one(input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor | None) -> None:
    """Raise ValueError unless exactly one of the two is given."""
    if (input_ids is None) == (inputs_embeds is None):
        raise ValueError("Give exactly one of input_ids and inputs_embeds.")
