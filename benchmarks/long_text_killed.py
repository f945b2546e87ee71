"""`bark-hf say --resume-to FOLDER` killed when half of the pieces are there, and the same command once more."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

_LOOK_EVERY_S = 0.02
File = tuple[int, str]  # time of the last change in ns, SHA-256


def finished(folder: Path) -> list[str]:
    """Numbers of the pieces whose note, which is written last, is there."""
    return sorted(path.stem for path in folder.glob("pieces/*.json"))


def files_of(folder: Path, pieces: list[str]) -> dict[str, File]:
    """Every file of these pieces."""
    found = {}
    for piece in pieces:
        for path in sorted(folder.glob(f"pieces/{piece}*")):
            found[path.name] = (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
    return found


def kill_at_half(command: list[str], folder: Path, total: int) -> tuple[list[str], float]:
    """Start the command, end it by SIGKILL as soon as half of the pieces are finished.

    Returns:
        the finished pieces, and the seconds that the command ran.

    Raises:
        RuntimeError: if the command ends before.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while len(finished(folder)) < total // 2:
        if process.poll() is not None:
            raise RuntimeError(f"the command ended by itself (exit code {process.returncode}): {' '.join(command)}")
        time.sleep(_LOOK_EVERY_S)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return finished(folder), time.perf_counter() - started


def killed_and_resumed(say: list[str], folder: Path, sound: Path, total: int) -> dict[str, Any]:
    """Kill, go on, compare the files of the pieces that were finished.

    Args:
        say: arguments of `bark-hf say` without outputs.
        folder: for the pieces, not there yet.
        sound: for the joined sound.
        total: pieces of the text.
    """
    command = [sys.executable, "-m", "bark_hf_cli", "say", *say, "-o", str(sound), "--resume-to", str(folder)]
    before, first_seconds = kill_at_half([*command, "--quiet"], folder, total)
    kept, halves = files_of(folder, before), [path.name for path in folder.rglob(".*")]
    sound_was_there, started = sound.exists(), time.perf_counter()
    printed = subprocess.run([*command, "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout
    now = files_of(folder, before)
    redone = {
        name.partition("-")[0].removesuffix(".json")
        for name in kept.keys() | now.keys()
        if kept.get(name) != now.get(name)
    }
    return {
        "pieces": total,
        "finished_when_killed": len(before),
        "resumed_says_it_had": json.loads(printed)["resumed"],
        "redone": len(redone),
        "finished_in_the_end": len(finished(folder)),
        "sound_was_there_when_killed": sound_was_there,
        "unfinished_files_left": len(halves),
        "seconds_until_killed": first_seconds,
        "seconds_of_the_second_run": time.perf_counter() - started,
    }


def same_pieces(folder: Path, other: Path) -> dict[str, int]:
    """How many pieces of two runs differ. Tokens by the files' bytes; sounds by samples, since a WAV has its time."""
    names = {path.stem for run in (folder, other) for path in run.glob("pieces/*.npz")}
    stems = [(folder / "pieces" / name, other / "pieces" / name) for name in sorted(names)]
    return {
        "pieces_with_other_tokens": sum(_bytes(a) != _bytes(b) for a, b in stems),
        "pieces_with_other_sound": sum(not np.array_equal(_samples(a), _samples(b)) for a, b in stems),
    }


def _bytes(stem: Path) -> bytes:
    path = stem.with_suffix(".npz")
    return path.read_bytes() if path.is_file() else b""


def _samples(stem: Path) -> np.ndarray:
    path = stem.with_suffix(".wav")
    return soundfile.read(path, dtype="float32")[0] if path.is_file() else np.zeros(0, np.float32)


__all__ = ["killed_and_resumed", "same_pieces"]
