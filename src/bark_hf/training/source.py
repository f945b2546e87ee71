"""The checkpoint that a training starts from: its folder, its model, and which weights it lacks.

Knows checkpoint folders, also those of which only some stages are trained yet. Must not know data or training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from huggingface_hub import snapshot_download

from ..checkpoint_files import CheckpointFiles
from ..configuration_bark import BarkConfig
from ..demo import without_nickname
from ..generation_configuration_bark import BarkGenerationConfig
from ..modeling_bark import BarkModel

WEIGHT_FILES = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.bin.index.json", "*.pt", "*.pth", "*.h5")
_FLAX_AND_TENSORFLOW = ["*.msgpack", "*.h5", "*.onnx"]


class Source(NamedTuple):
    """A checkpoint in memory.

    Attributes:
        folder: where its files are.
        model: on the CPU; weights that the folder lacks are random.
        missing: names of those weights.
    """

    folder: Path
    model: BarkModel
    missing: frozenset[str]

    def lacks(self, part: str) -> bool:
        """Whether weights of a part ("semantic", "coarse_acoustics", "fine_acoustics", "codec_model") are missing."""
        return any(name.startswith(f"{part}.") for name in self.missing)


def checkpoint_folder(model: str | Path) -> Path:
    """The folder of a checkpoint, "demo" being our own; one on the Hub is downloaded, or taken from the cache.

    Raises:
        FileNotFoundError: for what is neither a folder nor on the Hub.
        ValueError: for a folder without a Bark config.
    """
    name = without_nickname(str(Path(model).expanduser()) if str(model).startswith("~") else str(model))
    CheckpointFiles.open(name, {})
    folder = Path(name)
    if not folder.is_dir():
        try:
            folder = Path(snapshot_download(name, ignore_patterns=_FLAX_AND_TENSORFLOW))
        except OSError as error:  # every error of huggingface_hub that a user can meet is one
            reason = " ".join(str(error).split())[:200]
            raise OSError(
                f"{name} can't be had from the Hub ({reason}); check name and connection, or give a folder."
            ) from error
    config = CheckpointFiles(str(folder)).read_json("config.json")
    if config is None or config.get("model_type") != "bark":
        found = "no config.json" if config is None else f"a config.json of model_type {config.get('model_type')!r}"
        raise ValueError(f"{model} has {found}; a Bark checkpoint's says 'bark'; give another model.")
    return folder


def load_source(folder: Path, dtype: Any = torch.float32) -> Source:
    """A checkpoint's model, as far as it has weights.

    Args:
        folder: see `checkpoint_folder`.
        dtype: number format, or "auto" for that of the files.
    """
    if has_weights(folder):
        model, info = BarkModel.from_pretrained(folder, dtype=dtype, output_loading_info=True)
        return Source(folder, model, frozenset(info["missing_keys"]))
    model = BarkModel(BarkConfig.from_pretrained(folder))
    if (folder / "generation_config.json").is_file():
        model.generation_config = BarkGenerationConfig.from_pretrained(folder)
    return Source(folder, model, frozenset(model.state_dict()))


def has_weights(folder: Path) -> bool:
    """Whether there is any file of weights that Transformers would load."""
    names = ("model.safetensors", "pytorch_model.bin")
    return any((folder / name).is_file() or (folder / f"{name}.index.json").is_file() for name in names)


__all__ = ["WEIGHT_FILES", "Source", "checkpoint_folder", "has_weights", "load_source"]
