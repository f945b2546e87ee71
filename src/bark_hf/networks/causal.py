"""The causal transformer of the semantic and coarse stages: token ids or embeddings -> next-token logits and loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.cache_utils import Cache, DynamicCache
from transformers.loss.loss_utils import ForCausalLMLoss
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import CausalLMOutputWithPast

from ..configuration_bark import BarkSubModelConfig
from .base import BarkNetwork, require_one


class BarkCausalNetwork(BarkNetwork):
    """GPT-2 style transformer with learned positions; base of `BarkSemanticModel` and `BarkCoarseModel`."""

    is_causal = True
    config_class = BarkSubModelConfig
    main_input_name = "input_ids"

    def __init__(self, config: BarkSubModelConfig):
        super().__init__(config)
        self.input_embeds_layer = nn.Embedding(config.input_vocab_size, config.hidden_size)
        self._add_blocks(config)
        self.lm_head = nn.Linear(config.hidden_size, config.output_vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.input_embeds_layer

    def set_input_embeddings(self, new_embeddings: nn.Module) -> None:
        self.input_embeds_layer = new_embeddings

    def get_output_embeddings(self) -> None:
        return None  # the head is never tied to the embedding: the two vocabularies differ

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        labels: torch.LongTensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        logits_to_keep: int = 0,
        head_rows: tuple[int, int] | None = None,
        history_ids: torch.LongTensor | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast | tuple[torch.Tensor, ...]:
        r"""Next-token logits and, with `labels`, their loss.

        Args:
            input_ids: int [B, T]; or give `inputs_embeds`.
            past_key_values: any `Cache` (dynamic, static), filled in place.
            attention_mask: [B, past + T] with 0 at padding, or a ready 4-D mask.
            position_ids: int [1 or B, T]; default: counted on from the cache.
            labels: int [B, T] in the head's vocabulary, -100 where there is none. Logits at position t are compared
                with the label at t + 1.
            inputs_embeds: float [B, T, hidden_size].
            use_cache: return key/value caches; default: config, off while training with gradient checkpointing.
            logits_to_keep: compute logits for so many last positions only; 0 means all.
            head_rows: compute logits for head rows start..stop - 1 only.
            history_ids: int [B, P], P <= T, with `input_ids` only: their embeddings are added to those of the first P
                positions. The semantic stage's prompt sums text and history so.

        Returns:
            `CausalLMOutputWithPast`: loss, logits [B, T, output_vocab_size] (or as restricted), past_key_values,
            hidden_states, attentions.

        Raises:
            ValueError: for wrong shapes, ids outside the vocabulary or more positions than `block_size`.
        """
        require_one(input_ids, inputs_embeds)
        if inputs_embeds is None:
            self._check_ids(input_ids, ndim=2)
            inputs_embeds = self.input_embeds_layer(input_ids)
            if history_ids is not None:
                inputs_embeds = self._add_history(inputs_embeds, history_ids)
        elif history_ids is not None:
            raise ValueError(
                "history_ids are added to the embeddings of input_ids: add them to inputs_embeds yourself."
            )
        if labels is not None:
            self._check_labels(labels, inputs_embeds, logits_to_keep, head_rows)
        use_cache = self.config.use_cache if use_cache is None else use_cache
        if self.gradient_checkpointing and self.training:
            use_cache = False
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        past = past_key_values.get_seq_length() if past_key_values is not None else 0
        positions = self._position_ids(position_ids, past, inputs_embeds)

        trunk = self.run_blocks(
            inputs_embeds,
            positions,
            lambda embeds: create_causal_mask(self.config, embeds, attention_mask, past_key_values, position_ids),
            past_key_values,
            self.config.output_hidden_states if output_hidden_states is None else output_hidden_states,
            self.config.output_attentions if output_attentions is None else output_attentions,
        )
        hidden = trunk.last_hidden_state
        logits = self._head(hidden[:, -logits_to_keep:] if logits_to_keep else hidden, head_rows)
        loss = None
        if labels is not None:
            loss = ForCausalLMLoss(logits, labels, self.config.output_vocab_size, **kwargs)
        output = CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=past_key_values if use_cache else None,
            hidden_states=trunk.hidden_states,
            attentions=trunk.attentions,
        )
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()

    def _add_history(self, embeds: torch.Tensor, history_ids: torch.Tensor) -> torch.Tensor:
        self._check_ids(history_ids, ndim=2)
        batch, length = history_ids.shape
        if batch != embeds.shape[0] or length > embeds.shape[1]:
            raise ValueError(
                f"history_ids have shape {tuple(history_ids.shape)}; input_ids have {tuple(embeds.shape[:2])}: give as "
                "many rows and at most as many positions."
            )
        history = self.input_embeds_layer(history_ids)
        return torch.cat([embeds[:, :length] + history, embeds[:, length:]], dim=1)

    def _head(self, hidden: torch.Tensor, rows: tuple[int, int] | None) -> torch.Tensor:
        if rows is None:
            return self.lm_head(hidden)
        start, stop = rows
        if type(self.lm_head) is nn.Linear and not hasattr(self.lm_head, "_hf_hook"):
            return nn.functional.linear(hidden, self.lm_head.weight[start:stop])
        return self.lm_head(hidden)[..., start:stop]  # a quantised, adapted or offloaded head computes all rows

    def _check_labels(
        self, labels: torch.Tensor, embeds: torch.Tensor, logits_to_keep: int, head_rows: tuple[int, int] | None
    ) -> None:
        if logits_to_keep or head_rows is not None:
            raise ValueError("labels need all logits: leave out logits_to_keep and head_rows.")
        check_label_values(labels, embeds.shape[:2], self.config.output_vocab_size)


def check_label_values(labels: torch.Tensor, shape: torch.Size, vocab_size: int) -> None:
    """Raise ValueError unless labels are integers [B, T] of `shape`, each -100 or below `vocab_size` (CPU only)."""
    if labels.shape != shape or labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(
            f"labels must be integers of shape {tuple(shape)}, not {labels.dtype} of shape {tuple(labels.shape)}."
        )
    if labels.device.type == "cpu" and labels.numel() and not torch.compiler.is_compiling():
        wrong = labels[(labels != -100) & ((labels < 0) | (labels >= vocab_size))]
        if wrong.numel():
            raise ValueError(f"labels hold {int(wrong[0])}; allowed are 0..{vocab_size - 1}, and -100 for no label.")
