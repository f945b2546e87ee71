"""A quantised model as a folder, and back without float weights of its linears ever being in memory.

config.json, generation_config.json   as in every checkpoint
acceleration.json                     format, quantisation
NAME.safetensors                      embeddings, norms and heads of a network, mapped into memory when loaded
NAME.quantized.safetensors            its linears, read, packed for this processor and closed
codec/                                the codec, an ordinary checkpoint
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModel

from ..configuration_bark import BarkConfig
from ..generation_configuration_bark import BarkGenerationConfig
from ..modeling_bark import BarkModel
from .accelerated_model import PARTS, USES, AcceleratedBarkModel, become, quantized_paths
from .mode import QUANTIZATIONS, Mode
from .quantized_linear import QuantizedLinear

FORMAT = 1
DESCRIPTION = "acceleration.json"


def is_accelerated(folder: str | Path) -> bool:
    """Whether a folder holds a quantised model."""
    return Path(folder, DESCRIPTION).is_file()


def save(model: AcceleratedBarkModel, folder: Path) -> None:
    """Write a quantised model."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file: give a folder to save the model to.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        network = getattr(model, name)
        paths = quantized_paths(name, network)
        plain: dict[str, torch.Tensor] = {}
        quantized: dict[str, torch.Tensor] = {}
        for key, tensor in network.state_dict().items():
            inside = any(key.startswith(f"{path}.") for path in paths)
            (quantized if inside else plain)[key] = tensor.contiguous()
        tied = getattr(network, "_tied_weights_keys", None) or {}
        save_file({key: tensor for key, tensor in plain.items() if key not in tied}, folder / f"{name}.safetensors")
        save_file(quantized, folder / f"{name}.quantized.safetensors")
    model.codec_model.save_pretrained(folder / "codec")
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    description = {"format": FORMAT, "quantize": model.mode.quantize}
    Path(folder, DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def load(folder: str | Path) -> AcceleratedBarkModel:
    """Load what `save_pretrained` of a quantised model has written: on the CPU, in eval mode, with equal tokens.

    Raises:
        FileNotFoundError: if the folder holds no quantised model.
        ValueError: if its description is not understood, or its weights do not belong to its config.
    """
    folder = Path(folder)
    kind = _read_description(folder)
    config = BarkConfig.from_pretrained(folder)
    with torch.device("meta"):
        model = BarkModel(config)
    for name in PARTS:
        _fill(name, getattr(model, name), folder)
    model.codec_model = AutoModel.from_pretrained(folder / "codec")
    model.generation_config = BarkGenerationConfig.from_pretrained(folder)
    return become(model.eval(), Mode("cpu", kind, torch.float32))


def _read_description(folder: Path) -> str:
    path = folder / DESCRIPTION
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no {DESCRIPTION}, so it holds no quantised model: make one with optimize(model, "
            "quantize='int8').save_pretrained(folder); BarkModel.from_pretrained reads ordinary checkpoints."
        )
    try:
        description: Any = json.loads(path.read_bytes())
        form, kind = description["format"], description["quantize"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not what a quantised model's description looks like: save the model again."
        ) from error
    if form != FORMAT or kind not in QUANTIZATIONS:
        raise ValueError(
            f"{path} says format {form!r}, quantize {kind!r}; this version reads format {FORMAT}, "
            f"{' or '.join(QUANTIZATIONS)}: save the model again with this version."
        )
    return kind


def _fill(name: str, network: Any, folder: Path) -> None:
    paths, tensors = quantized_paths(name, network), load_file(folder / f"{name}.quantized.safetensors")
    for path in paths:
        start = len(path) + 1
        state = {key[start:]: tensors[key] for key in [key for key in tensors if key.startswith(f"{path}.")]}
        if not state:
            raise ValueError(f"{folder / name}.quantized.safetensors lacks {path}: save the model again.")
        # int4 weights are kept beside their packed form, so they must not hold the whole file in memory
        state = {key: tensor.clone() if key.endswith("int4") else tensor for key, tensor in state.items()}
        network.set_submodule(path, QuantizedLinear(state, USES[name]))
    del tensors, state
    found = network.load_state_dict(load_file(folder / f"{name}.safetensors"), strict=False, assign=True)
    if getattr(network, "_tied_weights_keys", None):
        network.tie_weights()
    if found.unexpected_keys or any(tensor.is_meta for tensor in _tensors(network)):
        raise ValueError(
            f"{folder / name}.safetensors does not belong to {folder / 'config.json'}: save the model again."
        )


def _tensors(network: nn.Module) -> list[torch.Tensor]:
    return [*network.parameters(), *network.buffers()]
