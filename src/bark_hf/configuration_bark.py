"""Network configurations: the Hub's `config.json`, unchanged, with checked values.

Knows sizes and names; knows no tensor and no generation option (those are in `generation_configuration_bark`).
Field names, `attribute_map` and nesting are those of Transformers' Bark, so files go both ways.
"""

from __future__ import annotations

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from . import tokens


@strict
class BarkSubModelConfig(PreTrainedConfig):
    r"""What the three transformers have in common.

    Args:
        block_size (`int`, defaults to 1024): positions that the network has embeddings for.
        input_vocab_size (`int`): rows of the token embedding (of each one, in the fine network).
        output_vocab_size (`int`): rows of the head (of each one, in the fine network).
        num_layers (`int`, defaults to 12): transformer blocks.
        num_heads (`int`, defaults to 12): attention heads; must divide `hidden_size`.
        hidden_size (`int`, defaults to 768): width.
        dropout (`float`, defaults to 0.0): probability, in 0..1 (1 excluded), used in training only.
        bias (`bool`, defaults to `True`): biases in Linear and, in the causal networks, LayerNorm layers. Suno's
            released checkpoints have none.
        initializer_range (`float`, defaults to 0.02): standard deviation of fresh weights.
        use_cache (`bool`, defaults to `True`): return key/value caches from a causal forward.

    Raises:
        ValueError: for a size below 1, heads that do not divide the width, or a dropout outside 0..1.
    """

    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]
    attribute_map: ClassVar[dict[str, str]] = {
        "num_attention_heads": "num_heads",
        "num_hidden_layers": "num_layers",
        "vocab_size": "input_vocab_size",
        "window_size": "block_size",
    }

    block_size: int = 1024
    input_vocab_size: int = 10_048
    output_vocab_size: int = 10_048
    num_layers: int = 12
    num_heads: int = 12
    hidden_size: int = 768
    dropout: float | int = 0.0
    bias: bool = True
    initializer_range: float = 0.02
    use_cache: bool = True

    def validate_architecture(self) -> None:
        """Check sizes; called by the `strict` dataclass machinery when a config is built and saved."""
        for name in ("block_size", "input_vocab_size", "output_vocab_size", "num_layers", "num_heads", "hidden_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r} must be an integer of at least 1.")
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"hidden_size={self.hidden_size} must be a multiple of num_heads={self.num_heads}: "
                "choose a number of heads that divides the width."
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout={self.dropout} must be at least 0 and below 1.")


@strict
class BarkSemanticConfig(BarkSubModelConfig):
    """Sizes of the semantic ("text") network; defaults to those of `suno/bark-small`. See `BarkSubModelConfig`."""

    model_type = "semantic"
    base_config_key = "semantic_config"

    input_vocab_size: int = 129_600


@strict
class BarkCoarseConfig(BarkSubModelConfig):
    """Sizes of the coarse network; defaults to those of `suno/bark-small`. See `BarkSubModelConfig`."""

    model_type = "coarse_acoustics"
    base_config_key = "coarse_acoustics_config"

    input_vocab_size: int = 12_096
    output_vocab_size: int = 12_096


@strict
class BarkFineConfig(BarkSubModelConfig):
    """Sizes of the fine network; defaults to those of `suno/bark-small`. See `BarkSubModelConfig`.

    Args:
        n_codes_total (`int`, defaults to 8): codebooks, one embedding each.
        n_codes_given (`int`, defaults to 1): codebooks without a head: head i predicts codebook `n_codes_given + i`.
        tie_word_embeddings (`bool`, defaults to `True`): head i shares its weight with embedding i + 1.

    Raises:
        ValueError: if `n_codes_given` is not in 1..`n_codes_total` - 1.
    """

    model_type = "fine_acoustics"
    base_config_key = "fine_acoustics_config"

    input_vocab_size: int = 1_056
    output_vocab_size: int = 1_056
    tie_word_embeddings: bool = True
    n_codes_total: int = tokens.N_FINE_CODEBOOKS
    n_codes_given: int = 1

    def validate_codes(self) -> None:
        """Check the codebook counts."""
        if not 1 <= self.n_codes_given < self.n_codes_total:
            raise ValueError(
                f"n_codes_given={self.n_codes_given} must be at least 1 and below n_codes_total={self.n_codes_total}."
            )
        if self.tie_word_embeddings and self.input_vocab_size != self.output_vocab_size:
            raise ValueError(
                f"tie_word_embeddings=True needs equal vocabularies, but input_vocab_size={self.input_vocab_size} and "
                f"output_vocab_size={self.output_vocab_size}: make them equal or set tie_word_embeddings=False."
            )


@strict
class BarkConfig(PreTrainedConfig):
    r"""Configuration of `BarkModel`: three networks and a codec.

    Args:
        semantic_config (`BarkSemanticConfig` or `dict`, *optional*)
        coarse_acoustics_config (`BarkCoarseConfig` or `dict`, *optional*)
        fine_acoustics_config (`BarkFineConfig` or `dict`, *optional*)
        codec_config (any `AutoConfig` class or `dict`, *optional*): defaults to 24 kHz EnCodec.
        initializer_range (`float`, defaults to 0.02)

    Example:

    ```python
    >>> from bark_hf import BarkConfig, BarkModel
    >>> config = BarkConfig(semantic_config={"num_layers": 2, "hidden_size": 64, "num_heads": 2})
    >>> config.semantic_config.num_hidden_layers
    2

    ```
    """

    model_type = "bark"
    sub_configs_defaults: ClassVar[dict[str, Any]] = {
        "semantic_config": SubConfigSpec(config_class=BarkSemanticConfig),
        "coarse_acoustics_config": SubConfigSpec(config_class=BarkCoarseConfig),
        "fine_acoustics_config": SubConfigSpec(config_class=BarkFineConfig),
        "codec_config": SubConfigSpec(config_class=AutoConfig, model_type="encodec"),
    }

    semantic_config: dict | PreTrainedConfig | None = None  # dicts and None become configs when the class is built
    coarse_acoustics_config: dict | PreTrainedConfig | None = None
    fine_acoustics_config: dict | PreTrainedConfig | None = None
    codec_config: dict | PreTrainedConfig | None = None
    initializer_range: float = 0.02

    @property
    def sampling_rate(self) -> int:
        """Samples per second of the generated audio (24,000 for Bark)."""
        codec: Any = self.codec_config
        return codec.sampling_rate


__all__ = ["BarkCoarseConfig", "BarkConfig", "BarkFineConfig", "BarkSemanticConfig", "BarkSubModelConfig"]
