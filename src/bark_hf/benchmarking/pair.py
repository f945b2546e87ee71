"""Our model and Transformers' on the same random weights, and their stages as functions of the stage before's tokens.

Stages go through the sub-models' `generate`, which have the same arguments on both sides: greedy, a fixed number of
semantic tokens, no voice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers
from transformers.models.bark import generation_configuration_bark as their_configs
from transformers.models.bark.modeling_bark import BarkModel as TheirModel

from ..codec import decode_codes
from ..configuration_bark import BarkConfig
from ..modeling_bark import BarkModel
from ..tokens import COARSE_RATE_HZ, SEMANTIC_RATE_HZ, CoarseRules

SIZES = {
    "tiny": {"num_layers": 2, "num_heads": 2, "hidden_size": 64, "bias": False},
    "small": {"num_layers": 12, "num_heads": 12, "hidden_size": 768, "bias": False},
    "large": {"num_layers": 24, "num_heads": 16, "hidden_size": 1024, "bias": False},
}
STAGES = ("semantic", "coarse", "fine", "codec")
Stages = dict[str, Callable[[Any], torch.Tensor]]


def build(size: str, device: str, dtype: torch.dtype = torch.float32) -> tuple[BarkModel, Any]:
    """Two models that share their weight tensors: ours, and `transformers.BarkModel`."""
    torch.manual_seed(0)
    names = ("semantic_config", "coarse_acoustics_config", "fine_acoustics_config")
    config = BarkConfig(**dict.fromkeys(names, SIZES[size]))
    ours = BarkModel(config).to(device, dtype).eval()
    parts = {key: value for key, value in config.to_dict().items() if key.endswith("_config")}
    with torch.device("meta"):
        theirs: Any = TheirModel(transformers.BarkConfig(**parts)).eval()
    for own, other in zip(networks(ours), networks(theirs), strict=True):
        other.load_state_dict(own.state_dict(), strict=False, assign=True)
        for module in other.modules():
            if getattr(module, "is_causal", False):
                mask = torch.ones(1024, 1024, dtype=torch.bool, device=device).tril()
                module.bias = mask.view(1, 1, 1024, 1024)
    theirs.codec_model = ours.codec_model
    return ours, theirs


def networks(model: Any) -> tuple[Any, Any, Any]:
    return model.semantic, model.coarse_acoustics, model.fine_acoustics


def our_stages(model: BarkModel, ids: torch.Tensor, n_tokens: int) -> Stages:
    greedy: dict[str, Any] = {"do_sample": False}
    return {
        "semantic": lambda _: model.semantic.generate(ids, max_new_tokens=n_tokens, min_eos_p=None, **greedy),
        "coarse": lambda semantic: model.coarse_acoustics.generate(semantic, **greedy),
        "fine": lambda coarse: model.fine_acoustics.generate(coarse, **greedy),
        "codec": lambda fine: torch.stack(decode_codes(model.codec_model, fine)),
    }


def their_stages(model: Any, ids: torch.Tensor, n_tokens: int) -> Stages:
    semantic = their_configs.BarkSemanticGenerationConfig(max_new_tokens=n_tokens, pad_token_id=10_000)
    coarse = their_configs.BarkCoarseGenerationConfig()  # a pad token here would mask the semantic padding
    fine = their_configs.BarkFineGenerationConfig(temperature=1.0)  # its spelling of greedy
    mask = torch.ones_like(ids)
    stages = {"semantic_generation_config": semantic, "coarse_generation_config": coarse}
    return {
        "semantic": lambda _: model.semantic.generate(ids, semantic, attention_mask=mask),
        "coarse": lambda tokens: model.coarse_acoustics.generate(tokens.clone(), **stages),
        "fine": lambda codes: model.fine_acoustics.generate(codes, fine_generation_config=fine, **stages),
        "codec": lambda codes: model.codec_decode(codes, [codes.shape[-1]] * codes.shape[0]),
    }


def random_text(batch: int, device: str) -> torch.Tensor:
    """Text ids int64 [B, 256]."""
    return torch.randint(1_000, 100_000, (batch, 256), generator=torch.Generator().manual_seed(1)).to(device)


def random_tokens(batch: int, n_tokens: int, device: str) -> dict[str, Any]:
    """What each stage is given, whatever a mode makes of the stage before."""
    generator = torch.Generator().manual_seed(2)
    semantic = torch.randint(10_000, (batch, n_tokens), generator=generator)
    codes = torch.randint(1024, (batch, 8, n_frames(n_tokens)), generator=generator)
    flat = (codes[:, :2] + torch.tensor([10_000, 11_024])[:, None]).transpose(1, 2).flatten(1)
    given = {"semantic": None, "coarse": semantic, "fine": flat, "codec": codes}
    return {stage: None if ids is None else ids.to(device) for stage, ids in given.items()}


def n_semantic(seconds: float) -> int:
    """Semantic tokens of so much sound, at least one."""
    return max(1, round(seconds * SEMANTIC_RATE_HZ))


def n_frames(n_tokens: int) -> int:
    """Code frames of so many semantic tokens."""
    return CoarseRules().n_steps(n_tokens) // 2


def seconds_of_sound(batch: int, n_tokens: int) -> float:
    return batch * n_frames(n_tokens) / COARSE_RATE_HZ
