"""Two more layers for the semantic network, without a change to what it computes.

    python recipes/demo/deepen.py OUT/runs/semantic_alone/model OUT/deeper

A new block stands behind the second and the third; the layers that lead out of it start at zero, so that it first adds nothing to
the stream. To find its place in the text the network must first find its last phones, at varying distances: four layers
were too few for that.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn

from bark_hf import BarkModel, BarkProcessor, BarkSemanticModel

BEHIND = (1, 2)  # old blocks that get a new one behind them


def deepened(old: BarkSemanticModel) -> BarkSemanticModel:
    """The network with a block that adds nothing behind each of `BEHIND`."""
    config = old.config.__class__.from_dict(old.config.to_dict() | {"num_layers": old.config.num_layers + len(BEHIND)})
    new = BarkSemanticModel(config)
    blocks: list[nn.Module] = []
    fresh = iter(new.layers[-len(BEHIND) :])
    for number, block in enumerate(old.layers):
        blocks.append(block)
        if number in BEHIND:
            blocks.append(silent(next(fresh)))
    for number, block in enumerate(blocks):
        new.layers[number].load_state_dict(block.state_dict())
    others = {name: tensor for name, tensor in old.state_dict().items() if not name.startswith("layers.")}
    missing, unexpected = new.load_state_dict(others, strict=False)
    assert not unexpected
    assert all(name.startswith("layers.") for name in missing)
    return new


def silent(block: nn.Module) -> nn.Module:
    """The block with zeros in the two layers that write into the stream."""
    for layer in (block.attn.out_proj, block.mlp.out_proj):
        nn.init.zeros_(layer.weight)
    return block


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()

    torch.manual_seed(0)
    model = BarkModel.from_pretrained(args.model, dtype=torch.float32)
    deeper = deepened(model.semantic.eval()).eval()
    ids = torch.randint(0, 200, (2, 50))
    assert torch.allclose(deeper(input_ids=ids).logits, model.semantic(input_ids=ids).logits, atol=1e-4)
    model.semantic = deeper
    model.config.semantic_config = deeper.config
    model.save_pretrained(args.out)
    BarkProcessor.from_pretrained(args.model).save_pretrained(args.out)


if __name__ == "__main__":
    main()
