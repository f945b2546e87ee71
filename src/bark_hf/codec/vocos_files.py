"""Reading the public Vocos weights over EnCodec, in the layout of `charactr/vocos-encodec-24khz`.

The folder has `config.yaml` (which backbone and head, with their sizes) and `pytorch_model.bin` (a state dict). Knows
this layout's names; knows no sound. Weights are read without running any code in them.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import torch
from transformers import EncodecModel

from .vocos_encodec import VocosEncodecConfig, VocosEncodecModel

# Their name -> ours; None is known and not needed. {n} is a block's number.
_NAMES: dict[str, str | None] = {
    "feature_extractor.codebook_weights": "codebooks",
    "feature_extractor.encodec.*": None,
    "backbone.embed.{weight,bias}": "decoder.embed.*",
    "backbone.norm.scale.weight": "decoder.norm.scale",
    "backbone.norm.shift.weight": "decoder.norm.shift",
    "backbone.convnext.{n}.dwconv.{weight,bias}": "decoder.blocks.{n}.depthwise.*",
    "backbone.convnext.{n}.norm.scale.weight": "decoder.blocks.{n}.norm.scale",
    "backbone.convnext.{n}.norm.shift.weight": "decoder.blocks.{n}.norm.shift",
    "backbone.convnext.{n}.pwconv1.{weight,bias}": "decoder.blocks.{n}.expand.*",
    "backbone.convnext.{n}.pwconv2.{weight,bias}": "decoder.blocks.{n}.project.*",
    "backbone.convnext.{n}.gamma": "decoder.blocks.{n}.gamma",
    "backbone.final_layer_norm.{weight,bias}": "decoder.final_norm.*",
    "head.out.{weight,bias}": "decoder.head.*",
    "head.istft.window": None,
}
_CLASSES = {"feature_extractor": "EncodecFeatures", "backbone": "VocosBackbone", "head": "ISTFTHead"}


def read_public_vocos(folder: str | Path, encodec: EncodecModel) -> VocosEncodecModel:
    """A Vocos decoder over `encodec` from a folder in the public layout.

    Args:
        folder: has `config.yaml` and `pytorch_model.bin`.
        encodec: the 24 kHz EnCodec that the decoder was trained over; its weights are shared.

    Returns:
        float32 model in evaluation mode.

    Raises:
        FileNotFoundError: if one of the files is missing.
        ValueError: for another kind of Vocos, names or shapes that don't fit, or a file that isn't plain weights.
    """
    folder = Path(folder)
    for name in ("config.yaml", "pytorch_model.bin"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} has no {name}; give a folder as charactr/vocos-encodec-24khz has it.")
    config = _config(folder / "config.yaml", encodec)
    model = VocosEncodecModel(config)
    model.encodec = encodec
    state = _state(folder / "pytorch_model.bin", config)
    wanted = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("encodec.")}
    missing, unknown = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or unknown:
        raise ValueError(f"{folder}: weights don't fit config.yaml (missing {missing[:3]}, unknown {unknown[:3]}).")
    for name, tensor in wanted.items():
        if state[name].shape != tensor.shape:
            raise ValueError(
                f"{folder}: {name} has shape {tuple(state[name].shape)}; config.yaml says {tuple(tensor.shape)}."
            )
    model.load_state_dict(state, strict=False)  # strict for everything but EnCodec, by the comparison above
    return model.eval()


def _config(path: Path, encodec: EncodecModel) -> VocosEncodecConfig:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        parts = {name: content[name] for name in _CLASSES}
        kinds = {name: str(part["class_path"]).rsplit(".", 1)[-1] for name, part in parts.items()}
        extractor, backbone, head = (dict(parts[name].get("init_args") or {}) for name in _CLASSES)
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} isn't a Vocos config ({error!r}); download the folder again.") from error
    if kinds != _CLASSES or head.get("padding", "same") != "same" or not backbone.get("adanorm_num_embeddings"):
        raise ValueError(f"{path} describes {kinds}; only the decoder over EnCodec's codes goes with Bark: {_CLASSES}.")
    bandwidths = [float(value) for value in extractor.get("bandwidths", [1.5, 3.0, 6.0, 12.0])]
    if backbone["adanorm_num_embeddings"] != len(bandwidths):
        raise ValueError(
            f"{path}: adanorm_num_embeddings={backbone['adanorm_num_embeddings']} and {len(bandwidths)} bandwidths."
        )
    try:
        return VocosEncodecConfig(
            encodec_config=encodec.config,
            decoder_hidden_size=backbone["dim"],
            decoder_num_layers=backbone["num_layers"],
            decoder_intermediate_size=backbone["intermediate_dim"],
            n_fft=head["n_fft"],
            bandwidths=bandwidths,
            bandwidth=6.0 if 6.0 in bandwidths else bandwidths[-1],
        )
    except KeyError as error:
        raise ValueError(f"{path} lacks {error}; download the folder again.") from error


def _state(path: Path, config: VocosEncodecConfig) -> dict[str, torch.Tensor]:
    """The file's weights by our names."""
    try:
        raw: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"{path} isn't a file of plain weights ({str(error).splitlines()[0]}).") from error
    if not isinstance(raw, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in raw.values()):
        raise ValueError(f"{path} holds no state dict.")
    state = {}
    for name, tensor in raw.items():
        ours = our_name(name)
        if ours is not None:
            state[ours] = tensor.float()
    books = state.get("codebooks")
    if books is not None:  # theirs is one table, book after book
        rows = config.num_quantizers * config.codebook_size
        if books.ndim != 2 or books.shape[0] != rows:
            raise ValueError(f"{path}: codebook_weights has shape {tuple(books.shape)}; {rows} rows are expected.")
        state["codebooks"] = books.unflatten(0, (config.num_quantizers, config.codebook_size))
    return state


def our_name(name: str) -> str | None:
    """Our name of one of their weights, or None if it isn't needed.

    Raises:
        ValueError: for a name that the layout doesn't have.
    """
    for theirs, ours in _NAMES.items():
        pattern = re.escape(theirs).replace(r"\{n\}", r"(?P<n>\d+)").replace(r"\{weight,bias\}", "(?P<end>weight|bias)")
        found = re.fullmatch(pattern.replace(r"\*", ".*"), name)
        if found:
            groups = found.groupdict()
            return ours and ours.replace("{n}", groups.get("n", "")).replace("*", groups.get("end", ""))
    raise ValueError(f"weight {name!r} is not of the Vocos layout; give a decoder over EnCodec's codes.")


__all__ = ["our_name", "read_public_vocos"]
