"""Checkpoints of a run on disk: the newest whole one, and whether it is of the same recipe.

Knows the files that Transformers' `Trainer` writes, its state last. Must not know networks.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path

from .recipe import TrainRecipe

RECIPE_FILE, STATE_FILE = "recipe.json", "trainer_state.json"
# Fields that may change between a run and its continuation without the loss curve losing its sense.
_FREE = {
    "output_dir",
    "max_steps",
    "epochs",
    "eval_steps",
    "save_steps",
    "keep_checkpoints",
    "load_best",
    "early_stopping_patience",
    "logging_steps",
    "report_to",
    "resume",
    "num_workers",
    "device",
    "precision",
    "gradient_checkpointing",
    "lora_merge",
    "sample_text",
    "sample_voice",
}


def step_of(checkpoint: Path) -> int:
    """Optimizer steps that a checkpoint has behind it, by its name; -1 for other names."""
    number = checkpoint.name.removeprefix("checkpoint-")
    return int(number) if number.isdecimal() else -1


def is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint was written to its end."""
    try:
        return int(json.loads((checkpoint / STATE_FILE).read_bytes())["global_step"]) == step_of(checkpoint)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def checkpoints(output_dir: Path) -> list[Path]:
    """All checkpoints of a run, whole or not, oldest first."""
    return sorted((path for path in output_dir.glob("checkpoint-*") if step_of(path) >= 0), key=step_of)


def prepare_output(recipe: TrainRecipe) -> Path | None:
    """Make the run's folder ready: remove unfinished checkpoints, note the recipe. For one process only.

    Returns:
        the checkpoint to go on from, or None to start at step 0.

    Raises:
        ValueError: if the checkpoints there are of another recipe.
        OSError: if the folder can't be written.
    """
    output_dir = Path(recipe.output_dir).expanduser()
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"output_dir={output_dir} can't be made ({error.strerror}); give another one.") from error
    for checkpoint in checkpoints(output_dir):
        if not recipe.resume or not is_whole(checkpoint):
            shutil.rmtree(checkpoint)
    newest = newest_checkpoint(output_dir)
    if newest is not None:
        _check_recipe(recipe, output_dir)
    else:
        (output_dir / "log.jsonl").unlink(missing_ok=True)
    ended = stopped_early(recipe)
    if ended is not None:
        print(
            f"early stopping ended this run at step {ended}, so only its result is written; "
            "a larger early_stopping_patience lets it go on, another output_dir begins a new run",
            file=sys.stderr,
            flush=True,
        )
    content = json.dumps(dataclasses.asdict(recipe), indent=2)
    (output_dir / RECIPE_FILE).write_text(content + "\n", encoding="utf-8")
    return newest


def newest_checkpoint(output_dir: Path) -> Path | None:
    """The newest whole checkpoint, or None."""
    return next((path for path in reversed(checkpoints(output_dir)) if is_whole(path)), None)


def stopped_early(recipe: TrainRecipe) -> int | None:
    """The step at which early stopping has ended the run that is in the recipe's folder; None if it may go on."""
    newest = newest_checkpoint(Path(recipe.output_dir).expanduser()) if recipe.resume else None
    if newest is None or not recipe.early_stopping_patience:
        return None
    callbacks = json.loads((newest / STATE_FILE).read_bytes()).get("stateful_callbacks", {})
    counted = callbacks.get("EarlyStoppingCallback", {}).get("attributes", {}).get("early_stopping_patience_counter", 0)
    return step_of(newest) if counted >= recipe.early_stopping_patience else None


def _check_recipe(recipe: TrainRecipe, output_dir: Path) -> None:
    try:
        before = json.loads((output_dir / RECIPE_FILE).read_bytes())
    except (OSError, ValueError):
        return  # nothing to compare with
    now = json.loads(json.dumps(dataclasses.asdict(recipe)))
    changed = [name for name in now if name not in _FREE and name in before and before[name] != now[name]]
    if changed:
        name = changed[0]
        raise ValueError(
            f"{output_dir} has checkpoints of another recipe ({name}: {before[name]!r} there, {now[name]!r} here); "
            "give another output_dir, or resume: false to remove them and start anew."
        )


__all__ = ["checkpoints", "is_whole", "newest_checkpoint", "prepare_output", "step_of", "stopped_early"]
