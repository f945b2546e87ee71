"""Teacher-forced losses of the three networks on prepared data. Knows examples and networks; generates nothing.

In generation's full layout, in nats, each label weighing the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from ..modeling_bark import BarkModel

Losses = dict[str, dict[str, float]]  # stage -> what -> nats


@torch.no_grad()
def stage_losses(
    model: BarkModel,
    dataset: Any,
    tokenizer: Any,
    *,
    seed: int = 0,
    history_probability: float = 1.0,
    batch_size: int = 8,
) -> Losses:
    """Mean cross-entropy per stage and codebook.

    Args:
        dataset: see `bark_hf.training.dataset`; clips too long for a stage are left out of its losses.
        tokenizer: the checkpoint's, or a callable text -> list of ids.
        seed: of the windows and histories that are drawn.
        history_probability: how often another clip of the same speaker is the voice in front, where there is one.
        batch_size: examples at once.

    Returns:
        "semantic": {"tokens", "end"}; "coarse": {"codebook 0", "codebook 1", ...}; "fine": {"codebook 2", ...}.
    """
    from ..training.examples import CoarseExamples, FineExamples, SemanticExamples

    config = model.generation_config
    common: dict[str, Any] = {"seed": seed, "history_probability": history_probability, "full_layout": True}
    first_id, size = config.semantic_config.semantic_vocab_size, config.codebook_size
    n_coarse, n_fine = config.coarse_acoustics_config.n_coarse_codebooks, config.fine_acoustics_config.n_fine_codebooks

    semantic = SemanticExamples(dataset, config, tokenizer=tokenizer, **common)
    losses, labels = _causal(model.semantic, semantic, batch_size)
    is_end = labels == config.semantic_config.eos_token_id
    found = {"semantic": {"tokens": float(losses[~is_end].mean()), "end": float(losses[is_end].mean())}}

    losses, labels = _causal(model.coarse_acoustics, CoarseExamples(dataset, config, **common), batch_size)
    codebook = (labels - first_id) // size
    found["coarse"] = {f"codebook {k}": float(losses[codebook == k].mean()) for k in range(n_coarse)}

    n_codes = model.fine_acoustics.config.n_codes_total
    fine = FineExamples(dataset, config, n_codes=n_codes, label_rewritten=False, **common)
    found["fine"] = {
        f"codebook {k}": float(_codebook(model.fine_acoustics, fine, k, batch_size).mean())
        for k in range(n_coarse, n_fine)
    }
    return found


def _causal(network: Any, examples: Any, batch_size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss and label of every labelled position, 1-D each."""
    losses, labels = [], []
    for batch in _batches(examples, batch_size):
        wanted = batch.pop("labels").to(network.device)[:, 1:]
        logits = network(**{name: value.to(network.device) for name, value in batch.items()}).logits[:, :-1]
        losses.append(_cross_entropy(logits, wanted))
        labels.append(wanted[wanted >= 0])
    return torch.cat(losses), torch.cat(labels).cpu()


def _codebook(network: Any, examples: Any, k: int, batch_size: int) -> torch.Tensor:
    """Losses of every labelled frame of codebook k, 1-D."""
    losses = []
    for batch in _batches(examples, batch_size, codebook=k):
        wanted, index = batch.pop("labels").to(network.device), batch.pop("codebook_idx")
        logits = network(index, **{name: value.to(network.device) for name, value in batch.items()}).logits
        losses.append(_cross_entropy(logits, wanted))
    return torch.cat(losses)


def _batches(examples: Any, batch_size: int, **changes: Any) -> Iterator[dict[str, Any]]:
    for at in range(0, len(examples), batch_size):
        chosen = [examples[i]._replace(**changes) for i in range(at, min(at + batch_size, len(examples)))]
        yield examples.collate(chosen)


def _cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    kept = labels >= 0
    return torch.nn.functional.cross_entropy(logits[kept].float(), labels[kept], reduction="none").cpu()
