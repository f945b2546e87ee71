"""A state dict as a folder that `BarkModel.from_pretrained` reads, and the proof that it does.

Knows `BarkModel`, its four parts and their configurations; knows no source format.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from ..configuration_bark import BarkConfig
from ..generation_configuration_bark import BarkGenerationConfig
from ..modeling_bark import BarkModel
from .errors import ConversionError, listed
from .mapping import Shapes, State

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
PARTS = ("semantic", "coarse_acoustics", "fine_acoustics", "codec_model")


def empty_model(config: BarkConfig) -> BarkModel:
    """The model without storage: names and shapes only.

    Raises:
        ConversionError: if the configuration's sizes don't make a network.
    """
    try:
        with torch.device("meta"):
            return BarkModel(config)
    except (ValueError, TypeError, RuntimeError, ZeroDivisionError) as error:
        raise ConversionError(f"no network can be built from these sizes: {error}") from error


def shapes_of(part: torch.nn.Module) -> Shapes:
    """Every tensor that a part of the model saves, with its shape."""
    return {name: tensor.shape for name, tensor in part.state_dict().items()}


def cast(state: State, dtype: torch.dtype) -> State:
    """`state` in another number format, each tensor with memory of its own.

    Raises:
        ConversionError: for a value that is too large for the format.
    """
    result = {name: _own(tensor.to(dtype)) for name, tensor in state.items()}
    overflown = [name for name in state if state[name].dtype != dtype and not result[name].isfinite().all()]
    if overflown:
        raise ConversionError(
            f"{len(overflown)} tensors have values above {dtype}'s limit of {torch.finfo(dtype).max:g}: "
            f"{listed(overflown)}. Use --dtype bfloat16 or float32."
        )
    return result


def _own(tensor: torch.Tensor) -> torch.Tensor:
    """`tensor`, copied if it is a view into a larger storage (safetensors refuses those)."""
    if tensor.is_contiguous() and tensor.untyped_storage().nbytes() == tensor.nbytes:
        return tensor
    return tensor.clone(memory_format=torch.contiguous_format)


def fill(model: BarkModel, state: State) -> None:
    """Give an empty model its tensors, without a copy, and tie the fine network's heads."""
    model.load_state_dict(state, strict=True, assign=True)
    model.tie_weights()


def count_parameters(model: BarkModel) -> dict[str, int]:
    """Parameters of each part; tied ones count once, the codec's codebooks (buffers) don't."""
    return {part: sum(p.numel() for p in getattr(model, part).parameters()) for part in PARTS}


def write_model(model: BarkModel, folder: Path) -> None:
    """Write config.json, generation_config.json (Suno's defaults) and safetensors."""
    model.generation_config = BarkGenerationConfig()
    model.save_pretrained(folder)
    mode = (folder / "config.json").stat().st_mode
    for file in folder.glob("*.safetensors"):  # safetensors makes them readable by the owner alone
        file.chmod(mode)


def verify(folder: Path, state: State) -> None:
    """Load `folder` as a user would and compare every tensor with what was converted, bit for bit.

    Raises:
        ConversionError: naming the tensors that differ.
    """
    model, info = BarkModel.from_pretrained(folder, output_loading_info=True)
    loaded = model.state_dict()
    names = set(info["missing_keys"]) | set(info["unexpected_keys"]) | (loaded.keys() ^ state.keys())
    names |= {name for name in loaded.keys() & state.keys() if not _same(loaded[name], state[name])}
    if names:
        raise ConversionError(
            f"verification failed: {len(names)} tensors came back different from what was written: {listed(names)}. "
            "The disk may be faulty; please report it if it happens again."
        )


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equal type, shape and values."""
    return a.dtype == b.dtype and torch.equal(a, b)
