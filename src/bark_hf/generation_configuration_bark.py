"""How to generate: one config per stage, nested in `BarkGenerationConfig`, and the routing of `generate` keywords.

The only place where a generation keyword gets its meaning and an unknown one is refused. Knows names, defaults and
limits; knows no tensor. Reads the Hub's nested `generation_config.json`; what a file leaves out is Suno's default
(sampling at 0.7 / 0.7 / 0.5, no top-k, no top-p, `min_eos_p` 0.2).
"""

from __future__ import annotations

import copy
import difflib
import inspect
import math
import warnings
from collections.abc import Iterable
from typing import Any, ClassVar

from transformers import GenerationConfig

from . import tokens

# Inherited options of Transformers' GenerationConfig that would change a result and that Bark's stages do not have.
# A file may carry them with the value on the right (an old dump of defaults); anything else is refused.
NEUTRAL_VALUES: dict[str, Any] = {
    "bad_words_ids": None,
    "begin_suppress_tokens": None,
    "constraints": None,
    "diversity_penalty": 0.0,
    "encoder_no_repeat_ngram_size": 0,
    "encoder_repetition_penalty": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "exponential_decay_length_penalty": None,
    "force_words_ids": None,
    "forced_bos_token_id": None,
    "forced_decoder_ids": None,
    "forced_eos_token_id": None,
    "guidance_scale": None,
    "length_penalty": 1.0,
    "max_time": None,
    "min_length": 0,
    "min_new_tokens": None,
    "min_p": None,
    "no_repeat_ngram_size": 0,
    "num_beam_groups": 1,
    "num_beams": 1,
    "num_return_sequences": 1,
    "penalty_alpha": None,
    "repetition_penalty": 1.0,
    "sequence_bias": None,
    "stop_strings": None,
    "suppress_tokens": None,
    "top_h": None,
    "typical_p": 1.0,
    "watermarking_config": None,
}
# Present in every dump of Transformers' Bark configs and in none of ours: tells the two apart.
DUMP_MARK = "num_beams"


def near_match(name: str, known: Iterable[str]) -> str:
    """`" Did you mean 'x'?"` for the known name nearest to `name`, or an empty string."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""


def _require(ok: bool, name: str, value: Any, limit: str, remedy: str = "") -> None:
    if not ok:
        raise ValueError(f"{name}={value!r} must be {limit}.{' ' + remedy if remedy else ''}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def check_duration(value: Any) -> None:
    """Raise ValueError unless `value` is None or a positive, finite number of seconds."""
    ok = value is None or (_is_number(value) and value > 0)
    _require(ok, "max_duration_s", value, "a positive number of seconds", "None switches the limit off.")


class BarkStageGenerationConfig(GenerationConfig):
    """What the three stage configs share: strict names, sampling options, reading of Transformers' dumps.

    Args:
        do_sample (`bool`, defaults to `True`): draw from the distribution; `False` takes the most probable token.
        temperature (`float` or `None`): divides the logits, after top-p and top-k as in Suno's code. 0 and `None` are
            greedy.
        top_k (`int` or `None`): keep the k most probable tokens. `None` and 0 switch it off.
        top_p (`float` or `None`): keep the most probable tokens that together exceed this probability, taken before
            the temperature as in Suno's code. `None` and 1.0 switch it off.

    Raises:
        TypeError: for an unknown name, with the nearest known one.
        ValueError: for a value outside its limits.
    """

    counts: ClassVar[tuple[str, ...]] = ()  # fields that are integers of at least 1
    ids: ClassVar[tuple[str, ...]] = ()  # fields that are integers of at least 0
    rates: ClassVar[tuple[str, ...]] = ()  # fields that are positive numbers

    def __init__(self, values: dict[str, Any], unknown: dict[str, Any]):
        if unknown:
            name = next(iter(unknown))
            raise TypeError(f"{type(self).__name__} has no option {name!r}.{near_match(name, values)}")
        super().__init__()
        self._fields = tuple(values)
        for name, value in values.items():
            setattr(self, name, value)
        self.validate()

    @property
    def greedy(self) -> bool:
        """Whether the stage takes the most probable token instead of drawing."""
        return not self.do_sample or not self.temperature

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the options of this stage."""
        return self._fields

    def validate(self, **kwargs: Any) -> None:
        """Check every option; `kwargs` of Transformers' signature are not needed here."""
        if not hasattr(self, "_fields"):  # Transformers validates once before our fields exist
            return
        _require(isinstance(self.do_sample, bool), "do_sample", self.do_sample, "True or False")
        ok = self.temperature is None or (_is_number(self.temperature) and self.temperature >= 0)
        _require(ok, "temperature", self.temperature, "a finite number of at least 0", "0 or None is greedy.")
        ok = self.top_k is None or _is_count(self.top_k, 0)
        _require(ok, "top_k", self.top_k, "an integer of at least 1", "None or 0 switches it off.")
        ok = self.top_p is None or (_is_number(self.top_p) and 0 < self.top_p <= 1)
        _require(ok, "top_p", self.top_p, "above 0 and at most 1", "None or 1.0 switches it off.")
        for name in self.counts:
            _require(_is_count(getattr(self, name)), name, getattr(self, name), "an integer of at least 1")
        for name in self.ids:
            _require(_is_count(getattr(self, name), 0), name, getattr(self, name), "an integer of at least 0")
        for name in self.rates:
            value = getattr(self, name)
            _require(_is_number(value) and value > 0, name, value, "a positive number")

    def to_dict(self) -> dict[str, Any]:
        """The stage's options and its `model_type`, as the Hub nests them."""
        return {name: getattr(self, name) for name in self._fields} | {"model_type": self.model_type}

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> BarkStageGenerationConfig:
        """Build from a file's dictionary, in which neutral inherited options of Transformers are dropped.

        Raises:
            ValueError: if an inherited option would change the result and this package does not have it.
            TypeError: for an unknown name.
        """
        kwargs.pop("return_unused_kwargs", None)
        return cls(**(cls._own_options(config_dict) | kwargs))

    @classmethod
    def _own_options(cls, config_dict: dict[str, Any]) -> dict[str, Any]:
        known = set(inspect.signature(cls.__init__).parameters)
        return {key: value for key, value in drop_inherited(config_dict, known).items() if key != "model_type"}

    def update(self, **kwargs: Any) -> dict[str, Any]:
        """Set options by name and check them; unknown names raise TypeError."""
        for name in kwargs:
            if name not in self._fields:
                raise TypeError(f"{type(self).__name__} has no option {name!r}.{near_match(name, self._fields)}")
        for name, value in kwargs.items():
            setattr(self, name, value)
        self.validate()
        return {}


def drop_inherited(values: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """`values` without the options inherited from Transformers that say nothing.

    Raises:
        ValueError: for an inherited option with an effect, such as ``num_beams=4``.
    """
    inherited = {key for key in vars(GenerationConfig()) if not key.startswith("_")} | set(NEUTRAL_VALUES)
    metadata = {"transformers_version", "generation_kwargs", "_from_model_config", "_commit_hash"}
    kept = {}
    for key, value in values.items():
        if key in known or key == "model_type":
            kept[key] = value
        elif key in NEUTRAL_VALUES and value is not None and value != NEUTRAL_VALUES[key]:
            raise ValueError(
                f"{key}={value!r} is an option that Bark's stages do not have (neutral value: "
                f"{NEUTRAL_VALUES[key]!r}): remove it, or pass a logits processor to generate(logits_processor=[...])."
            )
        elif key not in inherited and key not in metadata and not key.startswith("_"):
            kept[key] = value
    return kept


class BarkSemanticGenerationConfig(BarkStageGenerationConfig):
    """Options of the semantic stage. Sampling options: see `BarkStageGenerationConfig`.

    Args:
        max_new_tokens (`int`, defaults to 768): semantic tokens at most; the network has room for 768.
        min_eos_p (`float` or `None`, defaults to 0.2): stop as soon as EOS has at least this probability, after the
            temperature. `None` stops only when EOS is drawn. Works when greedy too, on the untempered distribution.
        max_duration_s (`float` or `None`, defaults to `None`): stop after the token that exceeds so many seconds.
        eos_token_id (`int`, defaults to 10,000), semantic_pad_token (`int`, defaults to `eos_token_id`)
        text_encoding_offset (`int`, defaults to 10,048): added to a tokenizer id.
        text_pad_token (`int`, defaults to 129,595), semantic_infer_token (`int`, defaults to 129,599)
        semantic_vocab_size (`int`, defaults to 10,000): semantic tokens are 0..semantic_vocab_size - 1.
        max_input_semantic_length (`int`, defaults to 256): text ids, and history ids, in the prompt.
        semantic_rate_hz (`float`, defaults to 49.9): semantic tokens per second.
    """

    model_type = "semantic"
    counts = ("max_new_tokens", "semantic_vocab_size", "max_input_semantic_length")
    ids = ("eos_token_id", "semantic_pad_token", "text_encoding_offset", "text_pad_token", "semantic_infer_token")
    rates = ("semantic_rate_hz",)

    def __init__(
        self,
        do_sample: bool = True,
        temperature: float | None = 0.7,
        top_k: int | None = None,
        top_p: float | None = None,
        max_new_tokens: int = tokens.MAX_SEMANTIC_TOKENS,
        min_eos_p: float | None = 0.2,
        max_duration_s: float | None = None,
        eos_token_id: int = tokens.SEMANTIC_PAD_TOKEN,
        semantic_pad_token: int | None = None,
        text_encoding_offset: int = tokens.TEXT_ENCODING_OFFSET,
        text_pad_token: int = tokens.TEXT_PAD_TOKEN,
        semantic_infer_token: int = tokens.SEMANTIC_INFER_TOKEN,
        semantic_vocab_size: int = tokens.SEMANTIC_VOCAB_SIZE,
        max_input_semantic_length: int = tokens.MAX_TEXT_LENGTH,
        semantic_rate_hz: float = tokens.SEMANTIC_RATE_HZ,
        **unknown: Any,
    ):
        values = {k: v for k, v in locals().items() if k not in ("self", "unknown", "__class__")}
        if semantic_pad_token is None:
            values["semantic_pad_token"] = eos_token_id
        super().__init__(values, unknown)

    def validate(self, **kwargs: Any) -> None:
        super().validate(**kwargs)
        if hasattr(self, "_fields"):
            ok = self.min_eos_p is None or (_is_number(self.min_eos_p) and 0 < self.min_eos_p <= 1)
            _require(ok, "min_eos_p", self.min_eos_p, "above 0 and at most 1", "None switches it off.")
            check_duration(self.max_duration_s)
            ok = self.eos_token_id >= self.semantic_vocab_size
            limit = f"at least semantic_vocab_size={self.semantic_vocab_size}, which are speech tokens"
            _require(ok, "eos_token_id", self.eos_token_id, limit)


class BarkCoarseGenerationConfig(BarkStageGenerationConfig):
    """Options of the coarse stage. Sampling options: see `BarkStageGenerationConfig`.

    Args:
        coarse_semantic_pad_token (`int`, defaults to 12,048), coarse_infer_token (`int`, defaults to 12,050)
        coarse_rate_hz (`float`, defaults to 75): frames per second.
        n_coarse_codebooks (`int`, defaults to 2): codebooks that alternate in the stream.
        max_coarse_input_length (`int`, defaults to 256): semantic tokens in a window.
        max_coarse_history (`int`, defaults to 630): flattened coarse ids in a window, 60 at least as in Suno's code
            (60 is faster, 630 has more context).
        sliding_window_len (`int`, defaults to 60): flattened coarse ids that a window adds; a multiple of
            `n_coarse_codebooks`.
    """

    model_type = "coarse_acoustics"
    counts = ("n_coarse_codebooks", "max_coarse_input_length", "sliding_window_len")
    ids = ("coarse_semantic_pad_token", "coarse_infer_token")
    rates = ("coarse_rate_hz",)

    def __init__(
        self,
        do_sample: bool = True,
        temperature: float | None = 0.7,
        top_k: int | None = None,
        top_p: float | None = None,
        coarse_semantic_pad_token: int = tokens.COARSE_SEMANTIC_PAD_TOKEN,
        coarse_rate_hz: float = tokens.COARSE_RATE_HZ,
        n_coarse_codebooks: int = tokens.N_COARSE_CODEBOOKS,
        coarse_infer_token: int = tokens.COARSE_INFER_TOKEN,
        max_coarse_input_length: int = tokens.MAX_COARSE_INPUT_LENGTH,
        max_coarse_history: int = tokens.MAX_COARSE_HISTORY,
        sliding_window_len: int = tokens.SLIDING_WINDOW_LEN,
        **unknown: Any,
    ):
        values = {k: v for k, v in locals().items() if k not in ("self", "unknown", "__class__")}
        super().__init__(values, unknown)

    def validate(self, **kwargs: Any) -> None:
        super().validate(**kwargs)
        if hasattr(self, "_fields"):
            codebooks, window, history = self.n_coarse_codebooks, self.sliding_window_len, self.max_coarse_history
            limit = f"a multiple of n_coarse_codebooks={codebooks}, or codebooks change places between windows"
            _require(window % codebooks == 0, "sliding_window_len", window, limit)
            ok = _is_count(history, tokens.MIN_COARSE_HISTORY) and history % codebooks == 0
            limit = f"at least {tokens.MIN_COARSE_HISTORY} and a multiple of n_coarse_codebooks={codebooks}"
            _require(ok, "max_coarse_history", history, limit)


class BarkFineGenerationConfig(BarkStageGenerationConfig):
    """Options of the fine stage. Sampling options: see `BarkStageGenerationConfig`.

    Args:
        max_fine_history_length (`int`, defaults to 512): frames of history in front, and the hop between windows.
        max_fine_input_length (`int`, defaults to 1024): frames that the network sees at once.
        n_fine_codebooks (`int`, defaults to 8): codebooks of the result.
    """

    model_type = "fine_acoustics"
    counts = ("max_fine_history_length", "max_fine_input_length", "n_fine_codebooks")

    def __init__(
        self,
        do_sample: bool = True,
        temperature: float | None = 0.5,
        top_k: int | None = None,
        top_p: float | None = None,
        max_fine_history_length: int = tokens.MAX_FINE_HISTORY_LENGTH,
        max_fine_input_length: int = tokens.MAX_FINE_INPUT_LENGTH,
        n_fine_codebooks: int = tokens.N_FINE_CODEBOOKS,
        **unknown: Any,
    ):
        values = {k: v for k, v in locals().items() if k not in ("self", "unknown", "__class__")}
        super().__init__(values, unknown)

    def validate(self, **kwargs: Any) -> None:
        super().validate(**kwargs)
        if hasattr(self, "_fields"):
            history, window = self.max_fine_history_length, self.max_fine_input_length
            limit = f"below max_fine_input_length={window}, so that a window has room for new frames"
            _require(history < window, "max_fine_history_length", history, limit)

    @classmethod
    def _own_options(cls, config_dict: dict[str, Any]) -> dict[str, Any]:
        # Transformers' fine stage has no option but a temperature, so the rest of its dump says nothing.
        if DUMP_MARK in config_dict:
            config_dict = {k: v for k, v in config_dict.items() if k not in ("do_sample", "top_k", "top_p")}
        return super()._own_options(config_dict)


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
        _require(_is_count(self.sample_rate), "sample_rate", self.sample_rate, "an integer of at least 1")
        _require(_is_count(self.codebook_size), "codebook_size", self.codebook_size, "an integer of at least 1")
        for name in STAGES:
            self.stage(name).validate()
        coarse, fine = self.coarse_acoustics_config, self.fine_acoustics_config
        ok = coarse.n_coarse_codebooks < fine.n_fine_codebooks
        limit = f"below n_fine_codebooks={fine.n_fine_codebooks}"
        _require(ok, "n_coarse_codebooks", coarse.n_coarse_codebooks, limit)

    def coarse_rules(self) -> tokens.CoarseRules:
        """The arithmetic between semantic tokens, coarse ids and windows under this config."""
        coarse = self.coarse_acoustics_config
        return tokens.CoarseRules(
            semantic_rate_hz=self.semantic_config.semantic_rate_hz,
            coarse_rate_hz=coarse.coarse_rate_hz,
            n_codebooks=coarse.n_coarse_codebooks,
            max_history=coarse.max_coarse_history,
            input_length=coarse.max_coarse_input_length,
            window=coarse.sliding_window_len,
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
