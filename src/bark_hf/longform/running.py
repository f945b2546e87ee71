"""A run over pieces: checks its options, begins it or goes on with it in a folder, opens a finished one.

Knows who keeps what; knows no text that is not cut yet.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..generation.sampling import item_seeds
from ..generation_options import is_count, require
from ..voices import VoicePrompt
from .folder import MANIFEST, FolderStore, Manifest, read_manifest
from .joining import Join, Pauses
from .reader import Reader, Report, check_mode, sources
from .result import LongResult
from .scoring import PlainScorer, Scorer
from .settings import check_model_digest, model_digest, voice_digest, written_options
from .splitting import Split
from .store import MemoryStore, Record, Store
from .takes import NoMaker, Progress, TakeMaker


@dataclass(frozen=True)
class Run:
    """A run that has begun: what makes its pieces, and how they are joined.

    Attributes:
        reader, join, lead, unspoken: see `LongResult`.
        sampling_rate: samples per second.
        done: pieces that its folder had already.
        report: see `begin_run`.
    """

    reader: Reader
    join: Join
    lead: float
    unspoken: Sequence[str]
    sampling_rate: int
    done: Mapping[int, Record]
    report: Report | None

    def result(self, records: Sequence[Record]) -> LongResult:
        """When every piece has its record."""
        made = [index for index in range(len(records)) if index not in self.done]
        return LongResult(self.reader, records, self.join, self.lead, self.unspoken, made)


def begin_run(
    model: Any,
    processor: Any,
    split: Split,
    voices: Mapping[str, VoicePrompt | None],
    *,
    voice_mode: str = "fixed",
    anchor_every: int = 4,
    seed: int | None = None,
    candidates: int = 1,
    scorer: Scorer | None = None,
    batch_size: int = 4,
    trim: bool = True,
    pauses: Pauses | None = None,
    fade_s: float = Join.fade_s,
    level_db: float | None = None,
    folder: str | os.PathLike[str] | None = None,
    report: Report | None = None,
    progress: Progress | None = None,
    **keywords: Any,
) -> Run:
    """Check the options of a run over pieces that are cut already, and begin it or go on with it. Nothing is read yet.

    Args:
        model, processor: of one checkpoint.
        split: see `split_text`.
        voices: speaker -> voice or None, for every speaker of the pieces.
        voice_mode: "fixed": every piece continues its speaker's voice. "rolling": each continues the piece before.
            "hybrid": rolling, but every `anchor_every`-th piece continues the voice again.
        anchor_every: see there, at least 2.
        seed: all seeds come from it, see `take_seed`; None draws one, or takes the folder's.
        candidates: takes of each piece, the best of which `scorer` chooses.
        scorer: default `PlainScorer()`.
        batch_size: takes at once; the result does not depend on it.
        trim: leave silence and quiet noises at the ends of pieces out.
        pauses, fade_s, level_db: see `Join`.
        folder: keeps every finished piece; a run that was stopped goes on there, and memory stays flat.
        report: called as report("pieces", done, total).
        progress: the callback of `generate`, called within every batch.
        keywords: of `BarkModel.generate`.
    """
    check_mode(voice_mode, anchor_every)
    for name, value in {"candidates": candidates, "batch_size": batch_size}.items():
        require(is_count(value), name, value, "an integer of at least 1")
    join = Join(pauses or Pauses(), fade_s, level_db)
    maker = TakeMaker(model, processor, keywords, batch_size, progress)
    judge: Scorer = scorer or PlainScorer()
    prompts, done = dict(voices), dict[int, Record]()
    store: Store = MemoryStore()
    if folder is None:
        [seed] = item_seeds(seed, 1)
    else:
        place = Path(folder)
        known = seed is None and (place / MANIFEST).is_file()
        [seed] = [read_manifest(place).settings["seed"]] if known else item_seeds(seed, 1)
        settings = {
            "voices": {speaker: voice_digest(voice) for speaker, voice in voices.items()},
            "voice_mode": voice_mode,
            "anchor_every": anchor_every,
            "seed": seed,
            "candidates": candidates,
            "scorer": judge.name,
            "trim": trim,
            "options": written_options(keywords),
            "model": model_digest(model),
        }
        store, prompts, done = _kept(
            place, Manifest(split.pieces, split.lead, split.unspoken, settings, maker.rules), prompts
        )
    chain = sources([piece.speaker for piece in split.pieces], voice_mode, anchor_every)
    reader = Reader(split.pieces, chain, prompts, seed, candidates, judge, trim, maker, store)
    return Run(reader, join, split.lead, split.unspoken, maker.config.sample_rate, done, report)


def _kept(
    folder: Path, manifest: Manifest, voices: Mapping[str, VoicePrompt | None]
) -> tuple[Store, dict[str, VoicePrompt | None], dict[int, Record]]:
    """The store of a folder, the voices as known by now, and what is finished."""
    store = FolderStore(folder, manifest)
    for speaker, voice in voices.items():
        if voice is not None:
            store.put_voice(speaker, voice)
    return store, {**voices, **store.voices()}, store.records()


def open_long(
    folder: str | os.PathLike[str],
    model: Any = None,
    processor: Any = None,
    *,
    scorer: Scorer | None = None,
    batch_size: int = 4,
    join: Join | None = None,
) -> LongResult:
    """A finished run from its folder, to hear, join, save or retake its segments.

    Args:
        folder: of `read_long(..., folder=...)`.
        model, processor: needed by `retake` alone, and the ones that made the run.
        scorer: for retakes, where the run had candidates.
        batch_size: takes at once, for retakes.
        join: see `Join`; it is not kept in the folder.

    Raises:
        ValueError: for a folder without a finished run, a damaged one, or another model.
    """
    store = FolderStore(Path(folder))
    manifest, records = store.manifest, store.records()
    total, settings = len(manifest.pieces), manifest.settings
    if len(records) < total:
        raise ValueError(f"{folder} has {len(records)} of {total} pieces; finish it by the call that began it")
    maker: Any = NoMaker(manifest.rules)
    if model is not None:
        check_model_digest(folder, settings["model"], model)
        maker = TakeMaker(model, processor, settings["options"], batch_size)
    chain = sources([p.speaker for p in manifest.pieces], settings["voice_mode"], settings["anchor_every"])
    voices = {**dict.fromkeys(settings["voices"]), **store.voices()}
    candidates, trim = settings["candidates"], settings["trim"]
    judge: Scorer = scorer or PlainScorer()
    reader = Reader(manifest.pieces, chain, voices, settings["seed"], candidates, judge, trim, maker, store)
    return LongResult(reader, [records[i] for i in range(total)], join or Join(), manifest.lead, manifest.unspoken, [])


__all__ = ["Run", "begin_run", "open_long"]
