"""Weight names as data: what the source calls a tensor -> what Transformers calls it.

Knows names only; knows no file and no tensor (`mapping` applies the tables and is strict both ways). In a pattern
``{}`` stands for a number, ``{a|b}`` for one of the words, ``{*}`` for anything; in the new name each ``{}`` takes the
next of these. ``None`` means known and dropped. The first matching row counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NameTable = Mapping[str, str | None]

COMPILED_PREFIX = "_orig_mod."
"""What `torch.compile` puts in front of every name when a compiled network is saved."""

_BLOCKS: NameTable = {
    "transformer.h.{}.ln_{1|2}.{weight|bias}": "layers.{}.layernorm_{}.{}",
    "transformer.h.{}.attn.c_attn.{weight|bias}": "layers.{}.attn.att_proj.{}",
    "transformer.h.{}.attn.c_proj.{weight|bias}": "layers.{}.attn.out_proj.{}",
    "transformer.h.{}.attn.bias": None,  # the causal mask, which older torch versions kept as a buffer
    "transformer.h.{}.mlp.c_fc.{weight|bias}": "layers.{}.mlp.in_proj.{}",
    "transformer.h.{}.mlp.c_proj.{weight|bias}": "layers.{}.mlp.out_proj.{}",
    "transformer.ln_f.{weight|bias}": "layernorm_final.{}",
    "transformer.wpe.weight": "position_embeds_layer.weight",
}

CAUSAL: NameTable = MappingProxyType(
    {
        **_BLOCKS,
        "transformer.wte.weight": "input_embeds_layer.weight",
        "lm_head.weight": "lm_head.weight",
    }
)
"""Suno's semantic ("text") and coarse networks."""

FINE: NameTable = MappingProxyType(
    {
        **_BLOCKS,
        "transformer.wtes.{}.weight": "input_embeds_layers.{}.weight",
        "lm_heads.{}.weight": "lm_heads.{}.weight",
    }
)
"""Suno's fine network: one embedding per codebook, one head per predicted codebook."""

_NORM_G = "parametrizations.weight.original0"  # weight norm's magnitude, `weight_g` in the older spelling
_NORM_V = "parametrizations.weight.original1"  # weight norm's direction, `weight_v`

META_ENCODEC: NameTable = MappingProxyType(
    {
        "{encoder|decoder}.model.{}.conv.conv.bias": "{}.layers.{}.conv.bias",
        "{encoder|decoder}.model.{}.conv.conv.weight_g": "{}.layers.{}.conv." + _NORM_G,
        "{encoder|decoder}.model.{}.conv.conv.weight_v": "{}.layers.{}.conv." + _NORM_V,
        "decoder.model.{}.convtr.convtr.bias": "decoder.layers.{}.conv.bias",
        "decoder.model.{}.convtr.convtr.weight_g": "decoder.layers.{}.conv." + _NORM_G,
        "decoder.model.{}.convtr.convtr.weight_v": "decoder.layers.{}.conv." + _NORM_V,
        "{encoder|decoder}.model.{}.block.{}.conv.conv.bias": "{}.layers.{}.block.{}.conv.bias",
        "{encoder|decoder}.model.{}.block.{}.conv.conv.weight_g": "{}.layers.{}.block.{}.conv." + _NORM_G,
        "{encoder|decoder}.model.{}.block.{}.conv.conv.weight_v": "{}.layers.{}.block.{}.conv." + _NORM_V,
        "{encoder|decoder}.model.{}.shortcut.conv.conv.bias": "{}.layers.{}.shortcut.conv.bias",
        "{encoder|decoder}.model.{}.shortcut.conv.conv.weight_g": "{}.layers.{}.shortcut.conv." + _NORM_G,
        "{encoder|decoder}.model.{}.shortcut.conv.conv.weight_v": "{}.layers.{}.shortcut.conv." + _NORM_V,
        "{encoder|decoder}.model.{}.lstm.{weight|bias}_{ih|hh}_l{}": "{}.layers.{}.lstm.{}_{}_l{}",
        "quantizer.vq.layers.{}._codebook.{inited|cluster_size|embed|embed_avg}": "quantizer.layers.{}.codebook.{}",
    }
)
"""Meta's `encodec` package: the file `encodec_24khz-d7cc33bc.th`."""

TRANSFORMERS_ENCODEC: NameTable = MappingProxyType(
    {
        "{*}.weight_g": "{}." + _NORM_G,
        "{*}.weight_v": "{}." + _NORM_V,
        "{*}": "{}",
    }
)
"""A saved `transformers.EncodecModel`, in the present or the older weight-norm spelling."""
