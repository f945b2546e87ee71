"""Sound -> codes and semantic tokens of the same length: the networks of a preparation.

Knows where a codec, a semantic tokenizer and the rates come from. Must not know sources, checks or shards.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.utils import logging

from ...checkpoint_files import CheckpointFiles
from ...demo import without_nickname
from ...registration import register
from ...tokens import N_FINE_CODEBOOKS
from ...voice_rules import BARK_RULES, VoiceRules

TOKENIZER_FOLDER = "semantic_tokenizer"  # of a checkpoint
_RATE_TOLERANCE = 0.005  # HuBERT's 50 Hz and Bark's 49.9 Hz are taken as one rate


class SemanticTokenizer(Protocol):
    """Sound -> semantic tokens."""

    @property
    def rate_hz(self) -> float:
        """Tokens per second."""

    @property
    def vocab_size(self) -> int:
        """Tokens are 0..vocab_size-1."""

    def encode(self, audio: np.ndarray, sampling_rate: int) -> torch.Tensor:
        """float32 [n] -> int64 [S]."""


@dataclass(frozen=True)
class Networks:
    """What a clip is encoded with.

    Args:
        codec: folder or Hub name of a codec, or of a Bark checkpoint, whose codec is taken; or a loaded codec.
        semantic_tokenizer: folder or Hub name, or an object with `encode`, `rate_hz` and `vocab_size`; None where
            sources have their own tokens.
        rules: rates, sizes and the number of codebooks.
        device: where both compute.
    """

    codec: str | PreTrainedModel
    semantic_tokenizer: str | SemanticTokenizer | None
    rules: VoiceRules
    device: str = "cpu"


class Encoder:
    """The loaded networks; each clip is encoded alone, so that its tokens depend on nothing else.

    Raises:
        ValueError: if codec, tokenizer and rates do not fit together.
    """

    def __init__(self, networks: Networks) -> None:
        self.rules = networks.rules
        codec = load_codec(networks.codec) if isinstance(networks.codec, str) else networks.codec
        self.codec = codec.to(networks.device)
        self.tokenizer = load_tokenizer(networks.semantic_tokenizer)
        if isinstance(self.tokenizer, torch.nn.Module):
            self.tokenizer.to(networks.device)
        self.sampling_rate: int = self.codec.config.sampling_rate
        self._options = _encode_options(self.codec, self.rules)
        _check_rate("the codec", codec_rate_hz(self.codec.config), self.rules.coarse_rate_hz)
        if self.tokenizer is not None:
            _check_rate("the semantic tokenizer", self.tokenizer.rate_hz, self.rules.semantic_rate_hz)
            if self.tokenizer.vocab_size > self.rules.semantic_vocab_size:
                raise ValueError(
                    f"the semantic tokenizer has {self.tokenizer.vocab_size} tokens, but the checkpoint "
                    f"{self.rules.semantic_vocab_size}; use its own."
                )

    @torch.inference_mode()
    def codes(self, samples: np.ndarray) -> np.ndarray:
        """Codes of a sound.

        Args:
            samples: float32 [n] at the codec's rate.

        Returns:
            int64 [K, T].
        """
        sound = torch.from_numpy(samples).to(self.codec.device)[None, None]  # [1, 1, n]
        codes = self.codec.encode(sound, **self._options).audio_codes  # [chunks=1, B=1, K, T]
        return codes[0, 0, : self.rules.n_fine_codebooks].cpu().numpy()

    @torch.inference_mode()
    def semantic(self, samples: np.ndarray) -> np.ndarray:
        """Semantic tokens of a sound at the codec's rate, int64 [S]."""
        assert self.tokenizer is not None
        return np.asarray(self.tokenizer.encode(samples, self.sampling_rate), dtype=np.int64)


def fitted(semantic: np.ndarray, codes: np.ndarray, frames_per_token: float) -> tuple[np.ndarray, np.ndarray]:
    """Both cut at their ends, as little as possible, to S tokens and T = round(S * frames_per_token) frames.

    Args:
        semantic: [S]. codes: [K, T]. frames_per_token: `VoiceRules.frames_per_token`.
    """
    n_tokens = min(semantic.shape[0], math.ceil((codes.shape[1] + 1) / frames_per_token))
    while round(n_tokens * frames_per_token) > codes.shape[1]:
        n_tokens -= 1
    return semantic[:n_tokens], codes[:, : round(n_tokens * frames_per_token)]


def codec_rate_hz(config: Any) -> float:
    """Code frames per second."""
    return config.sampling_rate / config.hop_length


def _check_rate(what: str, found: float, wanted: float) -> None:
    if abs(found - wanted) > _RATE_TOLERANCE * wanted:
        raise ValueError(f"{what} makes {found:g} tokens per second, but the checkpoint has {wanted:g}; use its own.")


def _encode_options(codec: PreTrainedModel, rules: VoiceRules) -> dict[str, Any]:
    """Keywords of `encode`, by which the codec gives as many codebooks as the checkpoint has."""
    config, wanted = codec.config, rules.n_fine_codebooks
    if getattr(config, "audio_channels", 1) != 1:
        raise ValueError(f"the codec has {config.audio_channels} channels, but Bark speaks with 1; use another codec.")
    if config.codebook_size != rules.codebook_size:
        raise ValueError(
            f"the codec has codebooks of {config.codebook_size} codes, but the checkpoint {rules.codebook_size}."
        )
    if config.model_type != "encodec":
        if config.num_quantizers < wanted:
            raise ValueError(f"the codec has {config.num_quantizers} codebooks, but the checkpoint needs {wanted}.")
        return {}
    # EnCodec is told a bandwidth in kbit/s: its lowest one, which is its default, gives only 2 codebooks.
    bandwidths = {codec.quantizer.get_num_quantizers_for_bandwidth(b): b for b in config.target_bandwidths}
    if wanted not in bandwidths:
        raise ValueError(f"the codec can give {', '.join(map(str, bandwidths))} codebooks, but {wanted} are needed.")
    return {"bandwidth": bandwidths[wanted]}


def load_codec(source: str) -> PreTrainedModel:
    """A codec from its own folder or Hub name, or out of a Bark checkpoint ("demo" is ours); nothing else is read.

    Raises:
        OSError, ValueError: if there is none, or weights are missing.
    """
    source = without_nickname(source)
    config = load_codec_config(source)
    mapping = {r"^codec_model\.": ""}  # names in a Bark checkpoint; a codec's own folder has none of these
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # else it lists the checkpoint's other weights as unexpected
    try:
        codec, info = AutoModel.from_pretrained(
            source, config=config, key_mapping=mapping, output_loading_info=True, dtype=torch.float32
        )
    finally:
        logging.set_verbosity(verbosity)
    if info["missing_keys"]:
        raise ValueError(
            f"{source} lacks {len(info['missing_keys'])} weights of the codec ({sorted(info['missing_keys'])[0]}, "
            "...); get it again."
        )
    return codec.eval()


def load_codec_config(source: str) -> Any:
    """The config of a codec or of the codec in a Bark checkpoint."""
    register()  # the command line and its worker processes have not done it yet
    source = without_nickname(source)
    try:
        config = AutoConfig.from_pretrained(source)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{source} is no codec and no Bark checkpoint ({reason}); give the folder of one.") from error
    config = getattr(config, "codec_config", config)
    if not hasattr(config, "hop_length") or not hasattr(config, "codebook_size"):
        raise ValueError(f"{source} holds a {config.model_type}, which is no codec; give EnCodec, or Bark's mel codec.")
    return config


def load_tokenizer(source: str | SemanticTokenizer | None) -> SemanticTokenizer | None:
    """A semantic tokenizer by its folder or Hub name; an object is taken as it is."""
    if not isinstance(source, str):
        return source
    from ...semantic_tokenizer import load_semantic_tokenizer

    return load_semantic_tokenizer(without_nickname(source))


def checkpoint_rules(model: str | None, codec: str, semantic_rate_hz: float | None) -> VoiceRules:
    """Rates and sizes: of the Bark checkpoint where one is given, else of the codec and the semantic tokens.

    Args:
        model: folder or Hub name of a Bark checkpoint, or None.
        codec: as in `Networks`; if it is a Bark checkpoint, it counts as `model`.
        semantic_rate_hz: of the tokens, used without a checkpoint; None means Bark's.
    """
    for source in map(without_nickname, filter(None, (model, codec))):
        files = CheckpointFiles.open(source, {})
        if (files.read_json("config.json") or {}).get("model_type") == "bark":
            return VoiceRules.from_generation_config(files.read_json("generation_config.json") or {})
    return codec_rules(load_codec_config(codec), semantic_rate_hz)


def codec_rules(config: Any, semantic_rate_hz: float | None) -> VoiceRules:
    """Rates and sizes of a codec without a Bark checkpoint; everything else is Bark's.

    Args:
        config: the codec's.
        semantic_rate_hz: tokens per second; None means Bark's.
    """
    return BARK_RULES._replace(
        codebook_size=config.codebook_size,
        n_fine_codebooks=N_FINE_CODEBOOKS if config.model_type == "encodec" else config.num_quantizers,
        coarse_rate_hz=codec_rate_hz(config),
        semantic_rate_hz=semantic_rate_hz or BARK_RULES.semantic_rate_hz,
    )


def fingerprint(source: str | PreTrainedModel | SemanticTokenizer | None) -> dict[str, Any] | None:
    """What tells networks apart from run to run: the place, its config, the sizes of its files."""
    if source is None:
        return None
    if isinstance(source, PreTrainedModel):
        return {"class": type(source).__name__, "name": source.name_or_path}
    if not isinstance(source, str):
        return {"class": type(source).__name__, "rate_hz": source.rate_hz, "vocab_size": source.vocab_size}
    folder = Path(source)
    if not folder.is_dir():
        return {"name": source}
    files = sorted(path for path in folder.glob("*") if path.suffix in {".json", ".safetensors", ".bin", ".npz"})
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return {"folder": str(folder.resolve()), "files": json.loads(json.dumps(stats))}
