"""A tokenizer from a folder, a checkpoint, the Hub, or a community file: find its files, choose its class.

Knows where files are and which kinds there are; must not know what a kind does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from .base import CONFIG_NAME, ENCODER_FOLDER, WEIGHTS_NAME, SemanticTokenizer, config_of
from .community_file import load_community_quantizer
from .frame_network import FrameNetworkTokenizer
from .hubert_quantizer import HubertQuantizer
from .kmeans import KMeansTokenizer

SUBFOLDER = "semantic_tokenizer"  # where a checkpoint keeps its tokenizer
KINDS: Mapping[str, type[SemanticTokenizer]] = {
    kind.tokenizer_type: kind for kind in (FrameNetworkTokenizer, KMeansTokenizer, HubertQuantizer)
}


def load_semantic_tokenizer(source: str | os.PathLike[str], revision: str | None = None) -> SemanticTokenizer:
    """A tokenizer, ready to `encode`.

    Args:
        source: a tokenizer's folder; a checkpoint that has one in its folder `semantic_tokenizer`; either of them on
            the Hub; or a community quantizer's `.pth` file.
        revision: branch, tag or commit on the Hub.

    Raises:
        ValueError: if there is no tokenizer, or a file of it can't be used: which one, and why.
    """
    path = Path(source)
    if path.is_file():
        return load_community_quantizer(path)
    folder = _folder_of(path if path.is_dir() else _download(os.fspath(source), revision))
    settings = _read_settings(folder / CONFIG_NAME)
    name = str(settings.get("tokenizer_type"))
    if name not in KINDS:
        raise ValueError(f"{folder / CONFIG_NAME}: tokenizer_type is {name!r}; it must be one of {', '.join(KINDS)}")
    kind = KINDS[name]
    config: Any = config_of(kind.config_class, settings, str(folder / CONFIG_NAME))
    encoder = folder / ENCODER_FOLDER
    tokenizer = kind.from_files(config, str(encoder) if encoder.is_dir() else None)
    _fill(tokenizer, folder / WEIGHTS_NAME)
    return tokenizer.eval()


def _download(repository: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    patterns = [CONFIG_NAME, WEIGHTS_NAME, f"{ENCODER_FOLDER}/*", f"{SUBFOLDER}/*"]
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=patterns))
    except Exception as error:  # huggingface_hub and its HTTP library have many kinds
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{repository!r} is no folder, and not to be had from the Hub ({reason}); check it") from error


def _folder_of(folder: Path) -> Path:
    for candidate in (folder, folder / SUBFOLDER):
        if (candidate / CONFIG_NAME).is_file():
            return candidate
    raise ValueError(
        f"{folder} has neither {CONFIG_NAME} nor {SUBFOLDER}/{CONFIG_NAME}; give a semantic tokenizer's folder, or a "
        "checkpoint that has one"
    )


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}); get the file again") from None
    if not isinstance(settings, dict):
        raise ValueError(f"{path} holds a {type(settings).__name__}; it must hold an object; get the file again")
    return settings


def _fill(tokenizer: SemanticTokenizer, path: Path) -> None:
    """Put the file's tensors into the tokenizer: float32, all of them, of the right shapes.

    Raises:
        ValueError: for a file that is missing, isn't safetensors (a pickle among others), or doesn't fit.
    """
    if not path.is_file():
        raise ValueError(f"{path} is missing; the tokenizer's tensors are in it; get the folder again")
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a safetensors file ({error}); nothing in it was run; get it again") from None
    own = tokenizer.own_state()
    if problems := _misfits(own, state):
        raise ValueError(f"{path} doesn't fit its {CONFIG_NAME}: {'; '.join(problems[:3])}; get the folder again")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(state[name])


def _misfits(own: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]) -> list[str]:
    shapes = [
        f"{name} has shape {list(state[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in own.items()
        if name in state and state[name].shape != tensor.shape
    ]
    return [
        *(f"{name} is missing" for name in sorted(set(own) - set(state))),
        *(f"{name} is unknown" for name in sorted(set(state) - set(own))),
        *shapes,
    ]


__all__ = ["KINDS", "SUBFOLDER", "load_semantic_tokenizer"]
