"""Losses label by label: what a network says, and what counting codes says. In nats, on generation's own windows.

Knows examples and networks. Must not know files or pictures.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from datasets import Dataset

from bark_hf import BarkGenerationConfig, BarkModel
from bark_hf.training.examples import CoarseExamples, FineExamples


class Labels(NamedTuple):
    """Codes to be predicted, one entry each.

    Attributes:
        voice: int64 [n], row of the data.
        codebook: int64 [n].
        code: int64 [n], 0..1,023.
        loss: float64 [n], the network's, with a softmax over all of its vocabulary as in training.
        limited: float64 [n], the network's among the codebook's 1,024 codes alone, as generation draws them.
    """

    voice: np.ndarray
    codebook: np.ndarray
    code: np.ndarray
    loss: np.ndarray
    limited: np.ndarray


def unigram(codes: list[np.ndarray], size: int = 1_024) -> np.ndarray:
    """Negative log probability of each code by how often it occurs, with one occurrence added to each.

    Args:
        codes: int [K, T] of each training voice.
        size: codes of a codebook.

    Returns:
        float64 [K, size], nats.
    """
    joined = np.concatenate(codes, axis=1)  # [K, frames]
    counts = np.stack([np.bincount(row, minlength=size) for row in joined]) + 1
    return -np.log(counts / counts.sum(1, keepdims=True))


def examples_of(stage: str, data: Dataset, config: BarkGenerationConfig) -> Any:
    """The examples that the training is evaluated on: one window of each voice, no other voice in front."""
    common: dict[str, Any] = {"history_probability": 0.0, "full_layout": True}
    if stage == "coarse":
        return CoarseExamples(data, config, **common)
    return FineExamples(data, config, label_rewritten=False, **common)


@torch.no_grad()
def coarse_labels(model: BarkModel, data: Dataset) -> Labels:
    """Every labelled id of the coarse stage's windows."""
    config = model.generation_config
    first, size = config.semantic_config.semantic_vocab_size, config.codebook_size
    n_codebooks = config.coarse_acoustics_config.n_coarse_codebooks
    examples, found = examples_of("coarse", data, config), []
    for voice in range(len(examples)):
        batch = examples.collate([examples[voice]])
        ids = batch.pop("labels")[0, 1:]
        logits = model.coarse_acoustics(**batch).logits[0, :-1][ids >= 0].float()  # [n, vocabulary]
        ids = ids[ids >= 0] - first
        codebook, code = ids // size, ids % size
        own = logits[:, first : first + n_codebooks * size].unflatten(1, (n_codebooks, size))
        own = own[torch.arange(len(ids)), codebook]  # [n, size]
        found.append(_labels(voice, codebook, code, logits, ids + first, own))
    return _joined(found)


@torch.no_grad()
def fine_labels(model: BarkModel, data: Dataset) -> Labels:
    """Every labelled frame of the fine stage's windows, once for each codebook that it writes."""
    config = model.generation_config
    examples, found = examples_of("fine", data, config), []
    for voice in range(len(examples)):
        for k in range(examples.n_given, config.fine_acoustics_config.n_fine_codebooks):
            batch = examples.collate([examples[voice]._replace(codebook=k)])
            codes = batch.pop("labels")[0]
            logits = model.fine_acoustics(batch.pop("codebook_idx"), **batch).logits[0][codes >= 0].float()
            codes = codes[codes >= 0]
            own = logits[:, : config.codebook_size]
            found.append(_labels(voice, torch.full_like(codes, k), codes, logits, codes, own))
    return _joined(found)


def logged_unigram(stage: str, data: Dataset, config: BarkGenerationConfig, table: np.ndarray) -> float:
    """What `unigram` costs on the examples behind the log's `eval_loss`: of the fine stage, one codebook per voice.

    Args:
        stage: "coarse" or "fine".
        data: the held-out voices.
        config: of the checkpoint.
        table: see `unigram`.

    Returns:
        nats, each voice weighing the same.
    """
    examples, losses = examples_of(stage, data, config), []
    for voice in range(len(examples)):
        batch = examples.collate([examples[voice]])
        ids = batch["labels"][batch["labels"] >= 0].numpy()
        if stage == "coarse":
            codebook, code = divmod(ids - config.semantic_config.semantic_vocab_size, config.codebook_size)
        else:
            codebook, code = batch["codebook_idx"], ids
        losses.append(float(table[codebook, code].mean()))
    return float(np.mean(losses))


def _labels(
    voice: int, codebook: torch.Tensor, code: torch.Tensor, logits: torch.Tensor, ids: torch.Tensor, own: torch.Tensor
) -> Labels:
    loss = torch.nn.functional.cross_entropy
    values = (loss(logits, ids, reduction="none"), loss(own, code, reduction="none"))
    found = [codebook.numpy(), code.numpy(), *(value.double().numpy() for value in values)]
    return Labels(np.full(len(code), voice), *found)


def _joined(parts: list[Labels]) -> Labels:
    return Labels(*(np.concatenate(column) for column in zip(*parts, strict=True)))
