"""The codec that a training starts from: new, further trained, or over a frozen EnCodec; with codebooks in it.

Knows folders and kinds of codec; knows no losses.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from transformers import EncodecModel

from ..codec.mel import BarkMelCodecConfig, BarkMelCodecModel
from ..codec.mel.fitting import fit_quantizer
from ..codec.vocos_encodec import VocosEncodecModel
from .codec_sounds import Sound, whole_sounds
from .codec_training import CodecRecipe
from .prepare.encoding import load_codec
from .saving import replacing

Codec = BarkMelCodecModel | VocosEncodecModel
ORIGIN_FILE = "fit.json"
_FIT_FIELDS = ("data", "seed", "fit_frames")
_DECODER_FIELDS = ("decoder_hidden_size", "decoder_num_layers", "decoder_intermediate_size")
_NEW_FIELDS = ("n_components", "num_quantizers", "codebook_size", *_DECODER_FIELDS)


def starting_codec(recipe: CodecRecipe) -> Codec:
    """The recipe's codec, float32, with gradients for the decoder alone.

    Raises:
        ValueError: if `model` holds another kind of codec than `codec_features` says.
        OSError: if there is no such folder.
    """
    if recipe.model is None:
        codec: Any = BarkMelCodecModel(BarkMelCodecConfig(**{name: getattr(recipe, name) for name in _NEW_FIELDS}))
    else:
        codec = load_codec(recipe.model)
    if recipe.codec_features == "encodec" and isinstance(codec, EncodecModel):
        codec = VocosEncodecModel.over(codec, **{name: getattr(recipe, name) for name in _DECODER_FIELDS})
    wanted = BarkMelCodecModel if recipe.codec_features == "mel_codec" else VocosEncodecModel
    if not isinstance(codec, wanted):
        raise ValueError(
            f"{recipe.model} holds a {type(codec).__name__}, which codec_features={recipe.codec_features!r} doesn't "
            f"go with; give codec_features: {'encodec' if wanted is BarkMelCodecModel else 'mel_codec'}, or another "
            "model."
        )
    codec.requires_grad_(False)
    codec.decoder.requires_grad_(True)
    return codec


def fitted_codec(codec: Codec, recipe: CodecRecipe, sounds: list[Sound], folder: Path, reuse: bool) -> Codec:
    """The codec with codebooks: its own, those of an earlier fit in `folder`, or new ones, which are written there.

    Args:
        reuse: take those in `folder` if they are of the same sound, sizes and seed.

    Raises:
        ValueError: for too little sound, or silence.
    """
    if not isinstance(codec, BarkMelCodecModel) or codec.quantizer.is_fitted:
        return codec
    origin = {"sounds": len(sounds)} | {name: getattr(recipe, name) for name in (*_FIT_FIELDS, *_NEW_FIELDS)}
    if reuse and _origin(folder) == origin:
        saved = BarkMelCodecModel.from_pretrained(folder, dtype="float32")
        codec.quantizer.load_state_dict(saved.quantizer.state_dict())
        return codec
    seconds = 1.2 * recipe.fit_frames / codec.config.frame_rate  # a part is held out to judge the books by
    waveforms = whole_sounds(sounds, codec.config.sampling_rate, seconds, recipe.seed)
    fit = fit_quantizer(codec, waveforms, max_frames=recipe.fit_frames, seed=recipe.seed)
    with replacing(folder) as partial:
        codec.save_pretrained(partial)
        (partial / ORIGIN_FILE).write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")
    two = fit.mel_l1[min(1, len(fit.mel_l1) - 1)]
    print(
        f"codec: codebooks of {fit.frames:,} frames of {fit.clips:,} clips; log-mel error of held-out clips "
        f"{two:.3f} with 2 books, {fit.mel_l1[-1]:.3f} with all {len(fit.mel_l1)}",
        file=sys.stderr,
        flush=True,
    )
    return codec


def _origin(folder: Path) -> Any:
    """What the codebooks in `folder` are of; None if there are none."""
    try:
        return json.loads((folder / ORIGIN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


__all__ = ["fitted_codec", "starting_codec"]
