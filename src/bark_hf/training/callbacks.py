"""What happens beside the training: the log, the progress on the terminal, the sound at each evaluation.

Knows `Trainer`'s events; knows no network but through `speak`.
"""

from __future__ import annotations

import json
import math
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm
from transformers import TrainerCallback

from ..audio import encode, write_file

LOG_FILE = "log.jsonl"


class Log(TrainerCallback):
    """Writes output_dir/log.jsonl, one object per line, and shows the same on stderr, with a bar on a terminal.

    Keys: step, seconds (of training, evaluations and saving left out), and either loss, learning_rate, grad_norm and
    positions_per_second (of this process, padding counts), or eval_loss.

    Args:
        positions: gives the positions that have gone through the network so far.
        title: what to call the run.
        n_steps: of the whole run.
    """

    def __init__(self, output_dir: Path, positions: Callable[[], int], title: str, n_steps: int):
        self.path, self.positions, self.title, self.n_steps = output_dir / LOG_FILE, positions, title, n_steps
        self.seconds = self.logged_seconds = self.mark = 0.0
        self.logged_positions = 0
        self.bar: tqdm | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Forget the lines behind the checkpoint that the run goes on from: those steps are done again."""
        if state.is_world_process_zero:
            lines = [line for line in read_log(self.path) if line["step"] <= state.global_step]
            self.path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
            self.seconds = self.logged_seconds = max((line["seconds"] for line in lines), default=0.0)
            if sys.stderr.isatty():
                self.bar = tqdm(desc=self.title, total=self.n_steps, initial=state.global_step, unit="step")
        self.mark = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        now = time.monotonic()
        self.seconds, self.mark = self.seconds + now - self.mark, now
        if self.bar is not None:
            self.bar.update()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.bar is not None:
            self.bar.close()

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.mark = time.monotonic()

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.mark = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        logs = logs or {}
        line: dict[str, float] = {"step": state.global_step}
        line |= {k: logs[k] for k in ("loss", "eval_loss", "learning_rate", "grad_norm") if k in logs}
        if "loss" in logs:
            passed, positions = self.seconds - self.logged_seconds, self.positions() - self.logged_positions
            line["positions_per_second"] = round(positions / passed) if passed > 0 else 0
            self.logged_seconds, self.logged_positions = self.seconds, self.positions()
        if "loss" not in logs and "eval_loss" not in logs:
            return
        line["seconds"] = round(self.seconds, 3)
        if state.is_world_process_zero:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            tqdm.write(f"{self.title} {shown(line, self.n_steps)}", file=sys.stderr)
        loss = logs.get("loss", logs.get("eval_loss", 0.0))
        if not math.isfinite(loss):
            raise ValueError(
                f"the loss is {loss} at step {state.global_step}, and must be finite; lower learning_rate, or give "
                "precision: fp32."
            )


def read_log(path: Path) -> list[dict[str, float]]:
    """The lines of a log, a half one at the end left out; none if there is no file."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def shown(line: dict[str, float], n_steps: int) -> str:
    """A line of the log for people."""
    parts = [f"step {line['step']}/{n_steps}"]
    if "loss" in line:
        parts.append(f"loss {line['loss']:.4f}")
    if "eval_loss" in line:
        parts.append(f"evaluation loss {line['eval_loss']:.4f}")
    if "positions_per_second" in line:
        parts.append(f"{line['positions_per_second']:,} positions/s")
    return f"{', '.join(parts)}, {line['seconds']:,.0f} s"


class Samples(TrainerCallback):
    """Writes output_dir/samples/step-N.wav after each evaluation.

    Args:
        speak: gives float samples [n] and their rate.
    """

    def __init__(self, output_dir: Path, speak: Callable[[], tuple[np.ndarray, int]]):
        self.folder, self.speak = output_dir / "samples", speak

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not state.is_world_process_zero:
            return
        try:
            audio, rate = self.speak()
            self.folder.mkdir(parents=True, exist_ok=True)
            write_file(self.folder / f"step-{state.global_step}.wav", encode(audio, rate))
        except (OSError, ValueError, RuntimeError) as error:  # a sample is no reason to lose a training
            warnings.warn(f"no sample at step {state.global_step} ({error}); the training goes on.", stacklevel=2)


__all__ = ["Log", "Samples", "read_log"]
