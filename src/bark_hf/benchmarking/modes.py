"""The modes that can be compared, and a model in one of them."""

from __future__ import annotations

import copy
from typing import Any

import torch

from ..acceleration import optimize
from ..modeling_bark import BarkModel
from .pair import Stages, our_stages, their_stages

TRANSFORMERS, EXACT = "transformers", "exact"
# mode -> options of optimize; None: nothing is optimised
MODES: dict[str, dict[str, Any] | None] = {
    TRANSFORMERS: None,
    EXACT: None,
    "bfloat16": {"dtype": torch.bfloat16},
    "int8": {"quantize": "int8"},
    "int4": {"quantize": "int4"},
    "graphs": {"dtype": torch.bfloat16, "cuda_graphs": True},
    "compiled": {"dtype": torch.bfloat16, "cuda_graphs": True, "compile": True},
}


def stages_of(mode: str, ours: BarkModel, theirs: Any, ids: torch.Tensor, n_tokens: int) -> tuple[str, Stages]:
    """What the mode says of itself, and its stages. The models stay as they are."""
    if mode == TRANSFORMERS:
        return "as loaded", their_stages(theirs, ids, n_tokens)
    options = MODES[mode]
    if options is None:
        return "as loaded", our_stages(ours, ids, n_tokens)
    model = optimize(copy.deepcopy(ours), **options)
    return model.acceleration, our_stages(model, ids, n_tokens)
