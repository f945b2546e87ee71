"""What a training is told: fields with a help text and limits each, read from YAML and flags, checked in one place.

Knows names, types and limits. Must not know networks, data or torch, so that `--help` costs nothing.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from ..generation_options import near_match

SCHEDULES = (
    "linear",
    "cosine",
    "constant",
    "constant_with_warmup",
    "cosine_with_restarts",
    "polynomial",
    "inverse_sqrt",
)
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")
Recipe = TypeVar("Recipe", bound="TrainRecipe")


def option(
    default: Any = MISSING, *, help: str, least: float | None = None, most: float | None = None, choices: Any = None
) -> Any:
    """A recipe's field.

    Args:
        default: left out for a field that must be given.
        help: one line; the command line shows it.
        least, most: limits of a number, both allowed.
        choices: the values allowed.
    """
    return field(default=default, metadata={"help": help, "least": least, "most": most, "choices": choices})


@dataclass(frozen=True, kw_only=True)
class TrainRecipe:
    """What all trainings are told. A stage adds its own fields in a frozen, keyword-only subclass.

    Raises:
        ValueError: for a value of the wrong type or outside its limits, and for fields that contradict each other.
    """

    output_dir: str = option(help="Folder for checkpoints, the log and the result.")
    data: str = option(help="Folder with the prepared data.")
    max_steps: int | None = option(None, help="Optimizer steps; replaces epochs.", least=1)
    epochs: float = option(3.0, help="Passes over the data.", least=0.001)
    batch_size: int = option(8, help="Examples at once, per process.", least=1)
    gradient_accumulation: int = option(1, help="Batches per optimizer step.", least=1)
    learning_rate: float = option(1e-4, help="Highest learning rate.", least=0.0, most=1.0)
    lr_schedule: str = option("cosine", help="How the learning rate falls after the warm-up.", choices=SCHEDULES)
    warmup_steps: float = option(0.05, help="Steps of rising learning rate; below 1, a share of the run.", least=0)
    weight_decay: float = option(0.01, help="AdamW's weight decay; biases and norms have none.", least=0.0, most=1.0)
    adam_beta2: float = option(0.99, help="AdamW's memory of squared gradients.", least=0.0, most=0.99999)
    max_grad_norm: float = option(1.0, help="Longer gradients are cut to this norm; 0: never.", least=0.0)
    precision: str = option("auto", help="Number format; auto: bf16 where it is fast, else fp32.", choices=PRECISIONS)
    gradient_checkpointing: bool = option(False, help="Less memory for about a third more time.")
    seed: int = option(0, help="Seed of weights, order, examples and dropout.", least=0, most=2**32 - 1)
    eval_data: str | None = option(None, help="Prepared data to evaluate on; replaces eval_fraction.")
    eval_fraction: float = option(0.05, help="Share of the clips kept for evaluation; 0: none.", least=0.0, most=0.9)
    eval_steps: int = option(200, help="Evaluate every so many steps; 0: at the end only.", least=0)
    save_steps: int = option(200, help="Write a checkpoint every so many steps.", least=1)
    keep_checkpoints: int = option(2, help="Checkpoints that are kept.", least=1)
    load_best: bool = option(False, help="End with the checkpoint of the lowest evaluation loss.")
    early_stopping_patience: int = option(
        0, help="Stop after so many evaluations without a better loss, and end with the best one; 0: never.", least=0
    )
    logging_steps: int = option(10, help="Log every so many steps.", least=1)
    report_to: tuple[str, ...] = option((), help="Further logs that Transformers knows, such as tensorboard or wandb.")
    resume: bool = option(
        True, help="Go on from the newest checkpoint in output_dir; without it, those there are removed."
    )
    num_workers: int = option(0, help="Processes that make examples; 0: the training's own.", least=0)
    device: str = option("auto", help="Where to train; auto: the fastest there is.", choices=DEVICES)

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for spec in dataclasses.fields(self):
            object.__setattr__(self, spec.name, _checked(spec, hints[spec.name], getattr(self, spec.name)))
        self.check()

    def check(self) -> None:
        """Check fields against each other; a subclass calls `super().check()` too.

        Raises:
            ValueError: for two fields that don't go together.
        """
        if self.warmup_steps >= 1 and self.warmup_steps != int(self.warmup_steps):
            raise ValueError(f"warmup_steps={self.warmup_steps} must be a whole number, or a share of the run below 1.")
        if not self.keep_best:
            return
        if not self.eval_steps or self.save_steps % self.eval_steps:
            raise ValueError(
                f"save_steps={self.save_steps} must be a multiple of eval_steps={self.eval_steps} to keep the best "
                "checkpoint; make them equal, or leave load_best and early_stopping_patience out."
            )
        if self.eval_data is None and self.eval_fraction == 0:
            raise ValueError("eval_fraction=0 leaves nothing to find the best checkpoint by; give eval_data.")

    @property
    def keep_best(self) -> bool:
        """Whether the run ends with its best checkpoint instead of its last one."""
        return self.load_best or self.early_stopping_patience > 0


def load_recipe(cls: type[Recipe], path: str | Path | None, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe from a YAML file, with single fields replaced.

    Args:
        cls: which recipe.
        path: YAML file with one line per field; None: `overrides` alone.
        overrides: fields that win over the file's. Strings are read as the field's type.

    Raises:
        ValueError: for a file that is no mapping, an unknown field (naming the nearest), a field that is missing, a
            wrong type or a value outside its limits.
        OSError: if the file can't be read.
    """
    values = {**_read_yaml(path), **(overrides or {})}
    known = [spec.name for spec in dataclasses.fields(cls)]
    source = "the recipe" if path is None else str(path)
    for name in values:
        if name not in known:
            hint = near_match(str(name), known)
            raise ValueError(f"{source} has an unknown field {name!r}.{hint} {cls.__name__} knows: {', '.join(known)}.")
    for spec in dataclasses.fields(cls):
        if spec.default is MISSING and values.get(spec.name) is None:
            purpose = spec.metadata["help"].rstrip(".")
            raise ValueError(f"{spec.name} is missing ({purpose}); add it to the recipe or as a flag.")
    return cls(**values)


def _read_yaml(path: str | Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no valid YAML ({error}); write one 'field: value' per line.") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}; a recipe is one 'field: value' per line.")
    return content


def _checked(spec: dataclasses.Field[Any], hint: Any, value: Any) -> Any:
    """The value as the field's type.

    Raises:
        ValueError: for another type, or a value outside the limits.
    """
    value = _typed(spec.name, hint, value)
    if value is None:
        return None
    choices, least, most = (spec.metadata.get(name) for name in ("choices", "least", "most"))
    if choices is not None and value not in choices:
        raise ValueError(
            f"{spec.name}={value!r} is unknown;{near_match(str(value), map(str, choices))} it must be one of "
            f"{', '.join(map(str, choices))}."
        )
    if (least is not None and value < least) or (most is not None and value > most):
        limit = f"{least}..{most}" if most is not None else f"at least {least}"
        raise ValueError(f"{spec.name}={value!r} must be {limit} ({spec.metadata['help'].rstrip('.')}).")
    return value


def _typed(name: str, hint: Any, value: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        kind, optional = next(part for part in get_args(hint) if part is not type(None)), True
    else:
        kind, optional = hint, False
    if optional and (value is None or (isinstance(value, str) and value.lower() in ("none", "null", ""))):
        return None
    converted = _convert(kind, value)
    if converted is None:
        raise ValueError(
            f"{name}={value!r} is of the wrong type ({type(value).__name__}); it must be {_ENGLISH[kind]}."
        )
    return converted


_ENGLISH: dict[Any, str] = {
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    str: "text",
    tuple[str, ...]: "a list of words (with commas between them on the command line)",
}
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _convert(kind: Any, value: Any) -> Any:
    """`value` as `kind`, or None if it can't be. YAML reads 1e-4 as text, and flags are text."""
    if get_origin(kind) is tuple:
        items = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
            return None
        return tuple(items)
    if kind is bool:
        return value if isinstance(value, bool) else _BOOLEANS.get(value.lower()) if isinstance(value, str) else None
    if kind is str:
        return str(value) if isinstance(value, (str, Path)) and str(value) else None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    if not math.isfinite(number) or (kind is int and number != int(number)):
        return None
    return int(number) if kind is int else number


__all__ = ["Recipe", "TrainRecipe", "load_recipe", "option"]
