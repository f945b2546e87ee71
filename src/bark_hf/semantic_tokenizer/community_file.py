"""The community's HuBERT quantizers for Bark: one `.pth` file, a torch archive with a note on the sizes inside.

Layout (github.com/gitmylo/bark-voice-cloning-HuBERT-quantizer, hubert/customtokenizer.py): a state dict with
`lstm.*`, `fc.*` and, in "version 1", `intermediate.*`; most files have a JSON entry `NAME/.info` with input_size,
hidden_size, output_size and version. Sizes are taken from the tensors; a note that says otherwise is an error.
Knows this layout only. Nothing in a file is run: only tensors are read.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import torch

from .hubert_quantizer import HubertQuantizer, HubertQuantizerConfig

_MAX_NOTE_BYTES = 65_536
_GATES = 4  # an LSTM's rows per hidden unit


def load_community_quantizer(path: str | os.PathLike[str], encoder: str | None = None) -> HubertQuantizer:
    """A quantizer such as `quantifier_hubert_base_ls960_14.pth`.

    Args:
        path: the file.
        encoder: the speech encoder it was trained with; None: facebook/hubert-base-ls960.

    Raises:
        ValueError: for a file that isn't one, is damaged, or holds other Python objects than tensors.
    """
    path = Path(path)
    state = _read_state(path)
    settings: dict[str, Any] = _sizes(state, path)
    config = HubertQuantizerConfig(**(settings if encoder is None else settings | {"encoder": encoder}))
    _check_note(path, config)
    quantizer = HubertQuantizer(config)
    try:
        quantizer.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} doesn't fit a HuBERT quantizer ({reason}); get another file") from None
    return quantizer.eval()


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise ValueError(f"{path} is no file; a quantizer's .pth is needed; check the path")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged and forbidden content make torch raise a dozen kinds
        kind = "holds Python objects besides tensors" if "GLOBAL" in str(error) else "can't be read as a torch file"
        raise ValueError(f"{path} {kind}; nothing in it was run; get the file from its source again") from None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{path} holds no dictionary of tensors; a HuBERT quantizer's .pth is one; check the path")
    return state


def _sizes(state: dict[str, torch.Tensor], path: Path) -> dict[str, Any]:
    """Sizes by the names of the configuration."""
    wanted = ("lstm.weight_ih_l0", "lstm.weight_ih_l1", "fc.weight")
    if missing := [name for name in wanted if name not in state or state[name].ndim != 2]:
        raise ValueError(f"{path} lacks {', '.join(missing)}, which every HuBERT quantizer has; check the path")
    rows, input_size = state["lstm.weight_ih_l0"].shape
    intermediate = state.get("intermediate.weight")
    return {
        "input_size": input_size,
        "hidden_size": rows // _GATES,
        "intermediate_size": None if intermediate is None else intermediate.shape[0],
        "vocab_size": state["fc.weight"].shape[0],
    }


def _check_note(path: Path, config: HubertQuantizerConfig) -> None:
    """Compare the note inside the archive, if there is one, with the tensors' sizes."""
    with zipfile.ZipFile(path) as archive:
        notes = [entry for entry in archive.infolist() if entry.filename.endswith("/.info")]
        if not notes:
            return
        if notes[0].file_size > _MAX_NOTE_BYTES:
            raise ValueError(f"{path}: its note has {notes[0].file_size} bytes, the limit is {_MAX_NOTE_BYTES}")
        try:
            note = json.loads(archive.read(notes[0]))
            said = [note[name] for name in ("input_size", "hidden_size", "output_size", "version")]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: its note can't be read ({error!r}); get the file again") from None
    found = [config.input_size, config.hidden_size, config.vocab_size, int(config.intermediate_size is not None)]
    if said != found:
        raise ValueError(
            f"{path}: its note says input, hidden, output size and version {said}, but its tensors have {found}; "
            "get the file from its source again"
        )


__all__ = ["load_community_quantizer"]
