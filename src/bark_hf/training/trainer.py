"""A recipe as the arguments of Transformers' `Trainer`, for every training alike. Knows hardware; knows no network."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import TrainingArguments

from .recipe import TrainRecipe


def trainer_arguments(recipe: TrainRecipe, **overrides: Any) -> TrainingArguments:
    """What `Trainer` is told.

    Args:
        recipe: any training's recipe.
        overrides: fields of `TrainingArguments` that a training sets itself.

    Raises:
        ValueError: for a device that isn't there, or a precision that it can't train in.
    """
    device = training_device(recipe.device)
    precision = training_precision(recipe.precision, device)
    evaluates = bool(recipe.eval_steps) and (recipe.eval_data is not None or recipe.eval_fraction > 0)
    known = {spec.name for spec in dataclasses.fields(TrainingArguments)}
    checkpointing = "activation_checkpointing" if "activation_checkpointing" in known else "gradient_checkpointing"
    values: dict[str, Any] = {
        "output_dir": str(Path(recipe.output_dir).expanduser()),
        "max_steps": -1 if recipe.max_steps is None else recipe.max_steps,
        "num_train_epochs": recipe.epochs,
        "per_device_train_batch_size": recipe.batch_size,
        "per_device_eval_batch_size": recipe.batch_size,
        "gradient_accumulation_steps": recipe.gradient_accumulation,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": recipe.lr_schedule,
        "warmup_steps": recipe.warmup_steps,
        "weight_decay": recipe.weight_decay,
        "adam_beta2": recipe.adam_beta2,
        "max_grad_norm": recipe.max_grad_norm,
        "bf16": precision == "bf16",
        "fp16": precision == "fp16",
        checkpointing: recipe.gradient_checkpointing,
        "seed": recipe.seed,
        "eval_strategy": "steps" if evaluates else "no",
        "eval_steps": recipe.eval_steps if evaluates else None,
        "save_strategy": "steps",
        "save_steps": recipe.save_steps,
        "save_total_limit": recipe.keep_checkpoints,
        "load_best_model_at_end": recipe.keep_best,
        "metric_for_best_model": "eval_loss" if recipe.keep_best else None,
        "greater_is_better": False if recipe.keep_best else None,
        "logging_steps": recipe.logging_steps,
        "logging_nan_inf_filter": False,  # a loss that is not finite must be seen
        "report_to": list(recipe.report_to) or "none",
        "dataloader_num_workers": recipe.num_workers,
        "dataloader_pin_memory": device != "cpu",
        "remove_unused_columns": False,
        "prediction_loss_only": True,
        "use_cpu": device == "cpu",
        "disable_tqdm": True,  # progress is shown by `callbacks.Progress`
    }
    return TrainingArguments(**(values | overrides))


@contextmanager
def disk_errors(output_dir: Path) -> Iterator[None]:
    """Say in one line that a checkpoint couldn't be written; safetensors and torch raise errors of their own.

    Raises:
        OSError: saying that the run can go on.
    """
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not any(sign in str(error) for sign in _FULL_DISK):
            raise
        raise OSError(
            f"{output_dir} can't be written ({' '.join(str(error).split())[:200]}); make room, then give the same "
            "command: it goes on from the newest whole checkpoint."
        ) from error


_FULL_DISK = ("PytorchStreamWriter", "file write failed", "No space left")


def training_device(name: str) -> str:
    """The kind of device to train on: "cuda", "xpu", "mps" or "cpu".

    Raises:
        ValueError: for one that this machine lacks.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "xpu": torch.xpu.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    best = next(kind for kind, is_there in there.items() if is_there)
    if name == "auto":
        return best
    if not there[name]:
        raise ValueError(f"device={name!r} is not there; this machine has {best}; leave device out, or use 'cpu'.")
    if name not in (best, "cpu"):
        raise ValueError(f"device={name!r} can't be chosen while {best} is there; use {best!r} or 'cpu'.")
    return name


def training_precision(name: str, device: str) -> str:
    """The number format to compute in: "fp32", "bf16" or "fp16". Weights and optimizer are always float32.

    Raises:
        ValueError: for a format that the device can't train in.
    """
    fast_bf16 = _fast_bf16(device)
    if name == "auto":
        return "bf16" if fast_bf16 else "fp32"
    if name == "fp16" and device not in ("cuda", "xpu"):
        raise ValueError(f"precision='fp16' needs a CUDA or XPU device, and this run is on {device}; use bf16 or fp32.")
    if name == "bf16" and device == "cuda" and not fast_bf16:
        raise ValueError("precision='bf16' needs compute capability 8.0 or newer; this GPU is older; use fp16 or fp32.")
    return name


def _fast_bf16(device: str) -> bool:
    """Whether the hardware multiplies bfloat16 faster than float32."""
    if device == "cuda":
        return torch.cuda.get_device_capability()[0] >= 8
    if device == "cpu":
        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # not in every version of torch
        return any(getattr(torch.cpu, name, bool)() for name in checks)
    return device == "xpu"


__all__ = ["disk_errors", "trainer_arguments", "training_device", "training_precision"]
