"""The non-causal transformer of the fine stage: codes of the first codebooks -> logits of the next one, and loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.loss.loss_utils import fixed_cross_entropy
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import MaskedLMOutput

from ..configuration_bark import BarkFineConfig
from .base import BarkNetwork, require_one
from .causal import check_label_values


class BarkFineNetwork(BarkNetwork):
    """One embedding per codebook, one head per codebook to predict; head i is tied to embedding i + 1."""

    is_causal = False
    config_class = BarkFineConfig
    main_input_name = "codebook_idx"

    def __init__(self, config: BarkFineConfig):
        super().__init__(config)
        if config.tie_word_embeddings:
            n_heads = config.n_codes_total - config.n_codes_given
            self._tied_weights_keys = {
                f"lm_heads.{i}.weight": f"input_embeds_layers.{i + 1}.weight" for i in range(n_heads)
            }
        self.input_embeds_layers = nn.ModuleList(
            nn.Embedding(config.input_vocab_size, config.hidden_size) for _ in range(config.n_codes_total)
        )
        self._add_blocks(config)
        self.lm_heads = nn.ModuleList(
            nn.Linear(config.hidden_size, config.output_vocab_size, bias=False)
            for _ in range(config.n_codes_given, config.n_codes_total)
        )
        self.post_init()

    def get_input_embeddings(self) -> nn.ModuleList:
        return self.input_embeds_layers

    def set_input_embeddings(self, new_embeddings: nn.ModuleList) -> None:
        self.input_embeds_layers = new_embeddings

    def get_output_embeddings(self) -> nn.ModuleList:
        return self.lm_heads

    def set_output_embeddings(self, new_embeddings: nn.ModuleList) -> None:
        self.lm_heads = new_embeddings

    def forward(
        self,
        codebook_idx: int,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        labels: torch.LongTensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> MaskedLMOutput | tuple[torch.Tensor, ...]:
        r"""Logits of one codebook at every frame and, with `labels`, their loss.

        Args:
            codebook_idx: codebook to predict, `n_codes_given`..`n_codes_total` - 1. Embeddings of codebooks
                0..codebook_idx are summed.
            input_ids: int codes [B, T, n_codes_total]; 1,024 where a code is not known. Or give `inputs_embeds`.
            attention_mask: [B, T] with 0 at padding, or a ready 4-D mask. Suno's model attends to its padding: give
                none to do as it does.
            position_ids: int [1 or B, T]; default 0..T - 1.
            labels: int [B, T], codes of codebook `codebook_idx`, -100 where there is none.
            inputs_embeds: float [B, T, hidden_size].

        Returns:
            `MaskedLMOutput`: loss, logits [B, T, output_vocab_size], hidden_states, attentions.

        Raises:
            ValueError: for a codebook without a head, wrong shapes, codes outside the vocabulary or more frames than
                `block_size`.
        """
        self._check_codebook(codebook_idx)
        require_one(input_ids, inputs_embeds)
        if inputs_embeds is None:
            inputs_embeds = self.embed(codebook_idx, input_ids)
        if labels is not None:
            check_label_values(labels, inputs_embeds.shape[:2], self.config.output_vocab_size)
        trunk = self.run_blocks(
            inputs_embeds,
            self._position_ids(position_ids, 0, inputs_embeds),
            lambda embeds: create_bidirectional_mask(self.config, embeds, attention_mask),
            output_hidden_states=self.config.output_hidden_states
            if output_hidden_states is None
            else output_hidden_states,
            output_attentions=self.config.output_attentions if output_attentions is None else output_attentions,
        )
        logits = self.lm_heads[codebook_idx - self.config.n_codes_given](trunk.last_hidden_state)
        loss = None
        if labels is not None:
            loss = fixed_cross_entropy(logits.float().flatten(0, 1), labels.flatten().to(logits.device), **kwargs)
        output = MaskedLMOutput(
            loss=loss, logits=logits, hidden_states=trunk.hidden_states, attentions=trunk.attentions
        )
        return output if (self.config.return_dict if return_dict is None else return_dict) else output.to_tuple()

    def embed(self, codebook_idx: int, input_ids: torch.Tensor) -> torch.Tensor:
        """Sum of the embeddings of codebooks 0..codebook_idx: codes [B, T, n_codes_total] -> [B, T, E]."""
        self._check_ids(input_ids, ndim=3)
        if input_ids.shape[2] != self.config.n_codes_total:
            raise ValueError(
                f"input_ids have {input_ids.shape[2]} codebooks; this network reads n_codes_total="
                f"{self.config.n_codes_total}: pad unknown ones with 1,024."
            )
        embeds = self.input_embeds_layers[0](input_ids[:, :, 0])
        for k in range(1, codebook_idx + 1):
            embeds = embeds + self.input_embeds_layers[k](input_ids[:, :, k])
        return embeds

    def _check_codebook(self, codebook_idx: int) -> None:
        given, total = self.config.n_codes_given, self.config.n_codes_total
        if isinstance(codebook_idx, bool) or not isinstance(codebook_idx, int) or not given <= codebook_idx < total:
            raise ValueError(
                f"codebook_idx={codebook_idx!r} has no head: this network predicts codebooks {given}..{total - 1} "
                "(the ones before come from the coarse stage)."
            )
