"""How to generate: `BarkGenerationConfig`, one config per stage, and the routing of `generate` keywords.

The only place where a generation keyword gets its meaning and an unknown one is refused. Knows names, defaults and
limits; knows no tensor. Reads the Hub's nested `generation_config.json`; what a file leaves out is Suno's default
(sampling at 0.7 / 0.7 / 0.5, no top-k, no top-p, `min_eos_p` 0.2).
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

from transformers import GenerationConfig

from . import tokens
from .generation_options import BarkStageGenerationConfig, drop_inherited, is_count, near_match, require
from .generation_stage_configs import (
    BarkCoarseGenerationConfig,
    BarkFineGenerationConfig,
    BarkSemanticGenerationConfig,
)

STAGES: dict[str, tuple[str, type[BarkStageGenerationConfig]]] = {
    "semantic": ("semantic_config", BarkSemanticGenerationConfig),
    "coarse": ("coarse_acoustics_config", BarkCoarseGenerationConfig),
    "fine": ("fine_acoustics_config", BarkFineGenerationConfig),
}
# Keywords without a stage's prefix and the stages in which they mean something.
SHARED_KEYWORDS: dict[str, tuple[str, ...]] = {
    "do_sample": ("semantic", "coarse", "fine"),
    "temperature": ("semantic", "coarse", "fine"),
    "top_k": ("semantic", "coarse", "fine"),
    "top_p": ("semantic", "coarse", "fine"),
    "max_new_tokens": ("semantic",),
    "min_eos_p": ("semantic",),
    "max_duration_s": ("semantic",),
}


class BarkGenerationConfig(GenerationConfig):
    """Generation options of `BarkModel`: one config per stage.

    Args:
        semantic_config (`BarkSemanticGenerationConfig` or `dict`, *optional*)
        coarse_acoustics_config (`BarkCoarseGenerationConfig` or `dict`, *optional*)
        fine_acoustics_config (`BarkFineGenerationConfig` or `dict`, *optional*)
        sample_rate (`int`, defaults to 24,000): samples per second of the audio.
        codebook_size (`int`, defaults to 1,024): entries of one codebook.

    Raises:
        TypeError: for an unknown name, at this level or in a stage.
        ValueError: for a value outside its limits.

    Example:

    ```python
    >>> from bark_hf import BarkGenerationConfig
    >>> config = BarkGenerationConfig(semantic_config={"temperature": 0.6})
    >>> config.semantic_config.temperature, config.coarse_acoustics_config.temperature
    (0.6, 0.7)

    ```
    """

    model_type = "bark"

    def __init__(
        self,
        semantic_config: BarkSemanticGenerationConfig | dict | None = None,
        coarse_acoustics_config: BarkCoarseGenerationConfig | dict | None = None,
        fine_acoustics_config: BarkFineGenerationConfig | dict | None = None,
        sample_rate: int = tokens.SAMPLE_RATE,
        codebook_size: int = tokens.CODEBOOK_SIZE,
        **unknown: Any,
    ):
        given = {
            "semantic_config": semantic_config,
            "coarse_acoustics_config": coarse_acoustics_config,
            "fine_acoustics_config": fine_acoustics_config,
        }
        if unknown:
            name = next(iter(unknown))
            raise TypeError(
                f"BarkGenerationConfig has no option {name!r}.{near_match(name, [*given, 'sample_rate'])} Options of a "
                "stage go into semantic_config, coarse_acoustics_config or fine_acoustics_config."
            )
        super().__init__()
        for key, config_class in STAGES.values():
            value = given[key]
            if not (value is None or isinstance(value, (dict, config_class))):
                raise TypeError(f"{key} must be a {config_class.__name__} or a dict, not {type(value).__name__}.")
            setattr(self, key, value if isinstance(value, config_class) else config_class.from_dict(value or {}))
        self.sample_rate = sample_rate
        self.codebook_size = codebook_size
        self.validate()

    def stage(self, name: str) -> BarkStageGenerationConfig:
        """The config of stage `name`: "semantic", "coarse" or "fine"."""
        return getattr(self, STAGES[name][0])

    def validate(self, **kwargs: Any) -> None:
        """Check the options of every stage."""
        if not hasattr(self, "codebook_size"):  # Transformers validates once before our fields exist
            return
        require(is_count(self.sample_rate), "sample_rate", self.sample_rate, "an integer of at least 1")
        require(is_count(self.codebook_size), "codebook_size", self.codebook_size, "an integer of at least 1")
        for name in STAGES:
            self.stage(name).validate()
        coarse, fine = self.coarse_acoustics_config, self.fine_acoustics_config
        ok = coarse.n_coarse_codebooks < fine.n_fine_codebooks
        limit = f"below n_fine_codebooks={fine.n_fine_codebooks}"
        require(ok, "n_coarse_codebooks", coarse.n_coarse_codebooks, limit)

    def coarse_rules(self) -> tokens.CoarseRules:
        """The arithmetic between semantic tokens, coarse ids and windows under this config."""
        coarse = self.coarse_acoustics_config
        return tokens.CoarseRules(
            semantic_rate_hz=self.semantic_config.semantic_rate_hz,
            coarse_rate_hz=coarse.coarse_rate_hz,
            n_codebooks=coarse.n_coarse_codebooks,
            max_history=coarse.max_coarse_history,
            input_length=coarse.max_coarse_input_length,
        )

    def to_dict(self) -> dict[str, Any]:
        """The nested dictionary that the Hub's `generation_config.json` holds."""
        stages = {key: getattr(self, key).to_dict() for key, _ in STAGES.values()}
        return stages | {
            "sample_rate": self.sample_rate,
            "codebook_size": self.codebook_size,
            "model_type": self.model_type,
        }

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> BarkGenerationConfig:
        """Build from a file's dictionary; neutral options inherited from Transformers are dropped."""
        for key in ("_from_auto", "_from_pipeline", "return_unused_kwargs"):
            kwargs.pop(key, None)
        known = {key for key, _ in STAGES.values()} | {"sample_rate", "codebook_size"}
        own = {key: value for key, value in drop_inherited(config_dict, known).items() if key != "model_type"}
        config = cls(**own)
        config.update(**kwargs)
        return config

    @classmethod
    def from_model_config(cls, model_config: Any) -> BarkGenerationConfig:
        """Suno's defaults: Bark's network configs say nothing about generation."""
        return cls()

    @classmethod
    def from_sub_model_configs(
        cls,
        semantic_config: BarkSemanticGenerationConfig,
        coarse_acoustics_config: BarkCoarseGenerationConfig,
        fine_acoustics_config: BarkFineGenerationConfig,
        **kwargs: Any,
    ) -> BarkGenerationConfig:
        """Join three stage configs (Transformers' name for it)."""
        return cls(semantic_config, coarse_acoustics_config, fine_acoustics_config, **kwargs)

    @classmethod
    def from_any(cls, config: Any, base: BarkGenerationConfig | None = None) -> BarkGenerationConfig:
        """A `BarkGenerationConfig` from whatever was assigned, loaded or passed.

        Args:
            config: a `BarkGenerationConfig` (returned as it is); a dict; Transformers' `BarkGenerationConfig` or a
                plain `GenerationConfig` that was read from Bark's nested file; or a flat `GenerationConfig`, whose
                set options are laid over `base` as keywords without a prefix would be.
            base: what a flat config leaves unsaid (default: Suno's values).

        Raises:
            TypeError: for any other object.
        """
        if isinstance(config, cls):
            return config
        if isinstance(config, GenerationConfig):
            values = copy.deepcopy(vars(config))
            for key, _ in STAGES.values():
                if isinstance(values.get(key), GenerationConfig):
                    values[key] = {k: v for k, v in vars(values[key]).items() if v is not None}
            if any(key in values for key, _ in STAGES.values()):
                return cls.from_dict(values)
            flat = {} if values.get("_from_model_config") else {k: v for k, v in values.items() if v is not None}
            own = drop_inherited(flat, set(SHARED_KEYWORDS))
            return (base or cls()).with_keywords(**{k: v for k, v in own.items() if k in SHARED_KEYWORDS})
        if isinstance(config, dict):
            return cls.from_dict(config)
        raise TypeError(f"generation_config must be a BarkGenerationConfig or a dict, not {type(config).__name__}.")

    def update(self, **kwargs: Any) -> dict[str, Any]:
        """Set options in place, with the names that `generate` takes; see `with_keywords`."""
        if kwargs:
            kwargs.pop("defaults_only", None)
            kwargs.pop("allow_custom_entries", None)
            self.__dict__.update(self.with_keywords(**kwargs).__dict__)
        return {}

    def with_keywords(self, **keywords: Any) -> BarkGenerationConfig:
        """A copy in which keywords of `generate` have been applied and checked.

        Args:
            keywords: ``temperature=...`` and the other `SHARED_KEYWORDS` go to every stage where they mean
                something; ``semantic_...``, ``coarse_...`` and ``fine_...`` address any option of one stage and win.

        Raises:
            TypeError: for an unknown keyword, with the nearest known one.
            ValueError: for a value outside its limits.
        """
        config = copy.deepcopy(self)
        changes: dict[str, dict[str, Any]] = {name: {} for name in STAGES}
        for key, value in keywords.items():
            for name in SHARED_KEYWORDS.get(key, ()):
                changes[name][key] = value
        for key, value in keywords.items():
            if key not in SHARED_KEYWORDS:
                name, option = self._stage_option(key)
                changes[name][option] = value
        for name, values in changes.items():
            config.stage(name).update(**values)
            _warn_if_idle(name, config.stage(name), values)
        config.validate()
        return config

    def _stage_option(self, key: str) -> tuple[str, str]:
        """Stage and option that a prefixed keyword addresses, e.g. ("coarse", "temperature")."""
        known = list(SHARED_KEYWORDS)
        for name in STAGES:
            fields = self.stage(name).fields
            option = key.removeprefix(f"{name}_")
            if key.startswith(f"{name}_") and option in fields:
                return name, option
            if key in fields:  # an option whose own name starts with the prefix, e.g. coarse_rate_hz
                return name, key
            known += [f"{name}_{field}" for field in fields]
        raise TypeError(f"generate() got an unknown keyword {key!r}.{near_match(key, known)}")


def _warn_if_idle(stage: str, config: BarkStageGenerationConfig, changed: dict[str, Any]) -> None:
    if changed.get("temperature") and "do_sample" not in changed and not config.do_sample:
        warnings.warn(
            f"temperature={config.temperature} has no effect in the {stage} stage, whose config says do_sample=False: "
            "pass do_sample=True as well.",
            stacklevel=5,
        )


__all__ = [
    "BarkCoarseGenerationConfig",
    "BarkFineGenerationConfig",
    "BarkGenerationConfig",
    "BarkSemanticGenerationConfig",
    "BarkStageGenerationConfig",
]
