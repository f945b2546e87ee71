"""The work on parts of the clips, in this process or in several.

Knows how a clip goes from its source to a row. Must not know files' formats or the command line.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

import numpy as np
import torch
from transformers.utils import logging

from ...checkpoint_files import CheckpointFiles
from ...checkpoint_files import load_tokenizer as load_text_tokenizer
from .clips import ClipError, Refusal, SourceClip
from .encoding import Encoder, Networks, fitted
from .options import ClipRules
from .processing import check_lengths, ready_clip
from .report import PrepareReport
from .shards import PartFolder
from .sources import Sources


@dataclass(frozen=True)
class Job:
    """All that a process needs to work on any part.

    Attributes:
        sources: the clips. duplicates: indexes of those whose id came before.
        networks, rules: how they are encoded and checked.
        text_tokenizer: folder or Hub name of the tokenizer that counts text tokens, or None.
        parts: where results go. part_size: clips of a part.
    """

    sources: Sources
    duplicates: frozenset[int]
    networks: Networks
    rules: ClipRules
    text_tokenizer: str | None
    parts: PartFolder
    part_size: int


class Worker:
    """A job with its networks loaded."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.encoder = Encoder(job.networks)
        self.count_tokens = None if job.text_tokenizer is None else _token_counter(job.text_tokenizer)

    def run(self, number: int) -> int:
        """Work on a part and write it; gives the number of its clips."""
        start = number * self.job.part_size
        indexes = range(start, min(start + self.job.part_size, len(self.job.sources)))
        rows, report = [], PrepareReport()
        for index in indexes:
            clip = self.job.sources[index]
            try:
                if index in self.job.duplicates:
                    raise ClipError("duplicate_id", clip.id, "each id once")
                row, notes = self._row(clip)
            except ClipError as error:
                report.refused.append(Refusal(clip.id, clip.name, *error.args))
            else:
                rows.append(row)
                report.take(row["speaker"], row["seconds"], notes)
        self.job.parts.write(number, rows, report)
        return len(indexes)

    def _row(self, clip: SourceClip) -> tuple[dict[str, Any], tuple[str, ...]]:
        """A clip as a row of `FEATURES`, and the notes about it."""
        rules = self.encoder.rules
        if clip.semantic is None and self.encoder.tokenizer is None:
            raise ClipError("no_semantic", "none", "tokens in the source, or --semantic-tokenizer")
        rate = self.job.rules.semantic_rate_hz or rules.semantic_rate_hz
        ready = ready_clip(clip, self.job.rules, self.encoder.sampling_rate, rate, self.count_tokens)
        semantic = self.encoder.semantic(ready.samples) if ready.semantic is None else ready.semantic
        codes = self.encoder.codes(ready.samples)
        check_lengths(semantic.shape[0] / rules.semantic_rate_hz, codes.shape[1] / rules.coarse_rate_hz)
        _check_range(semantic, rules.semantic_vocab_size)
        semantic, codes = fitted(semantic, codes, rules.frames_per_token)
        row = {
            "id": clip.id,
            "text": ready.text,
            "speaker": clip.speaker,
            "language": clip.language,
            "seconds": codes.shape[1] / rules.coarse_rate_hz,
            "semantic": semantic.astype(np.int32),
            "codes": codes.astype(np.int16).tolist(),
        }
        return row, ready.notes


def _check_range(semantic: np.ndarray, size: int) -> None:
    if semantic.size and not 0 <= semantic.min() <= semantic.max() < size:
        raise ClipError("semantic_range", f"{semantic.min()}..{semantic.max()}", f"0..{size - 1}")


def _token_counter(source: str) -> Callable[[str], int]:
    tokenizer = load_text_tokenizer(CheckpointFiles.open(source, {}))
    return lambda text: len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def work(job: Job, numbers: list[int], workers: int) -> Iterator[int]:
    """Work on parts; yields the clips of each part when it is finished, in any order.

    Args:
        numbers: the parts. workers: processes; 1 works in this one.

    Raises:
        OSError: if the disk refuses, or a process was ended from outside. ValueError: if networks do not fit.
    """
    workers = min(workers, len(numbers))
    if workers <= 1:
        with _one_thread(), _quiet():
            worker = Worker(job)
            for number in numbers:
                yield worker.run(number)
        return
    context = multiprocessing.get_context("spawn")  # a fork of a process that has used torch may hang
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(job,))
    try:
        for finished in as_completed([pool.submit(_run, number) for number in numbers]):
            yield finished.result()
    except BrokenProcessPool as error:
        raise OSError(
            f"one of {workers} worker processes was ended, mostly for want of memory; what is finished is kept: give "
            "the same command again, with fewer --workers."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_worker: Worker | None = None


def _start(job: Job) -> None:
    """Load the networks in a fresh process."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process tells the others when to stop
    Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    with _quiet():
        _worker = Worker(job)


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _run(number: int) -> int:
    assert _worker is not None
    return _worker.run(number)


@contextmanager
def _one_thread() -> Iterator[None]:
    """The order of sums, and so a code at a tie, must not depend on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Transformers lists the weights of a Bark checkpoint that are not the codec's; that is meant."""
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


__all__ = ["Job", "work"]
