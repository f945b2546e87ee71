"""What generation configs are made of: checks of values, reading of Transformers' dumps, the base of the stage configs.

Knows option names, limits and the words of errors; knows no stage in particular and no tensor.
"""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Iterable
from typing import Any, ClassVar

from transformers import GenerationConfig

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


def require(ok: bool, name: str, value: Any, limit: str, remedy: str = "") -> None:
    """Raise ValueError "name=value must be limit. remedy" unless `ok`."""
    if not ok:
        raise ValueError(f"{name}={value!r} must be {limit}.{' ' + remedy if remedy else ''}")


def is_number(value: Any) -> bool:
    """Whether `value` is a finite int or float."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_count(value: Any, least: int = 1) -> bool:
    """Whether `value` is an int of at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def check_duration(value: Any) -> None:
    """Raise ValueError unless `value` is None or a positive, finite number of seconds."""
    ok = value is None or (is_number(value) and value > 0)
    require(ok, "max_duration_s", value, "a positive number of seconds", "None switches the limit off.")


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
        require(isinstance(self.do_sample, bool), "do_sample", self.do_sample, "True or False")
        ok = self.temperature is None or (is_number(self.temperature) and self.temperature >= 0)
        require(ok, "temperature", self.temperature, "a finite number of at least 0", "0 or None is greedy.")
        ok = self.top_k is None or is_count(self.top_k, 0)
        require(ok, "top_k", self.top_k, "an integer of at least 1", "None or 0 switches it off.")
        ok = self.top_p is None or (is_number(self.top_p) and 0 < self.top_p <= 1)
        require(ok, "top_p", self.top_p, "above 0 and at most 1", "None or 1.0 switches it off.")
        for name in self.counts:
            require(is_count(getattr(self, name)), name, getattr(self, name), "an integer of at least 1")
        for name in self.ids:
            require(is_count(getattr(self, name), 0), name, getattr(self, name), "an integer of at least 0")
        for name in self.rates:
            value = getattr(self, name)
            require(is_number(value) and value > 0, name, value, "a positive number")

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
