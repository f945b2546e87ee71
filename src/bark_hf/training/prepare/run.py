"""The whole preparation: sources -> parts -> one dataset on disk, and a report.

Knows the order of the steps and what may be at the output folder. The work on clips is in `work`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...checkpoint_files import CheckpointFiles
from ...demo import without_nickname
from .encoding import TOKENIZER_FOLDER, Networks, SemanticTokenizer, checkpoint_rules, fingerprint, load_tokenizer
from .options import ClipRules, SourceOptions
from .report import PrepareReport
from .shards import DATASET_FILE, REPORT_FILE, PartFolder, check_settings, partial_folder, read_json
from .sources import Place, Sources, open_source
from .work import Job, work

PART_SIZE = 50  # clips of a part: what a kill costs, and how often the progress bar moves


def prepare(
    sources: Place | Sequence[Place],
    out: str | Path,
    *,
    codec: str | Path | None = None,
    semantic_tokenizer: str | Path | SemanticTokenizer | None = None,
    model: str | Path | None = None,
    tokenizer: str | Path | None = None,
    columns: SourceOptions | None = None,
    rules: ClipRules | None = None,
    workers: int = 1,
    device: str = "cpu",
    part_size: int = PART_SIZE,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> PrepareReport:
    """Speech with its texts -> a dataset that all stages are trained on.

    A run that was ended goes on where it stopped when it is called again with the same arguments.

    Args:
        sources: one or several: a folder with `metadata.csv` or `metadata.jsonl` (audiofolder, or LJSpeech's layout),
            such a file, a dataset saved to disk, its name on the Hub, or a `datasets.Dataset`.
        out: folder to write; until it is complete the work is in `OUT.partial`.
        codec: folder or Hub name of a codec or a Bark checkpoint; default: `model`.
        semantic_tokenizer: folder or Hub name, or an object with `encode`, `rate_hz` and `vocab_size`; default: the
            one in `model`, if there is one. Not needed for sources with a column `semantic`, which is kept.
        model: folder or Hub name of the Bark checkpoint that will be trained: its rates and sizes are used.
        tokenizer: folder or Hub name whose text tokenizer counts text tokens; default: that of `model`.
        columns: how sources are read. rules: which clips are taken and what is done to them.
        workers: processes. With more than 1 a script needs `if __name__ == "__main__":`.
        device: where codec and semantic tokenizer compute.
        part_size: clips that are finished at a time.
        overwrite: replace prepared data at `out`, and start again.
        progress: called with (clips so far, clips in all).

    Returns:
        what was taken and what was refused; the same is in `OUT/report.json`.

    Raises:
        ValueError: for sources, networks or settings that can't be used, or if no clip is left.
        OSError: if something can't be read or written; what is finished is kept.

    Example:

    ```python
    report = prepare("LJSpeech-1.1", "prepared", model="suno/bark-small", workers=4)
    print(report.summary())
    ```
    """
    columns, rules = columns or SourceOptions(), rules or ClipRules()
    if workers < 1 or part_size < 1:
        raise ValueError(f"workers={workers} and part_size={part_size} must be at least 1.")
    out = Path(out).expanduser().absolute()
    model = None if model is None else without_nickname(str(model))
    networks = _networks(codec, semantic_tokenizer, model, rules, device)
    text_tokenizer = _text_tokenizer(tokenizer, model)
    clips = Sources(_opened(sources, columns), columns)
    _check_semantic(clips, networks)
    settings = {
        "sources": clips.fingerprint(),
        "codec": fingerprint(networks.codec),
        "semantic_tokenizer": fingerprint(networks.semantic_tokenizer),
        "text_tokenizer": text_tokenizer,
        "rates_and_sizes": networks.rules._asdict(),
        **asdict(columns),
        **asdict(rules),
    }
    if overwrite:
        _remove(out)
    if (finished := _finished(out, settings)) is not None:
        return finished
    parts = PartFolder(out, -(-len(clips) // part_size))
    parts.open({**settings, "part_size": part_size})
    job = Job(clips, _duplicates(clips), networks, rules, text_tokenizer, parts, part_size)
    _work_on(job, workers, progress)
    return _assemble(parts, settings)


def _networks(
    codec: str | Path | None,
    semantic_tokenizer: str | Path | SemanticTokenizer | None,
    model: str | Path | None,
    rules: ClipRules,
    device: str,
) -> Networks:
    """What is encoded with; what was not given comes from the checkpoint."""
    model = None if model is None else str(model)
    codec = str(codec) if codec is not None else model
    if codec is None:
        raise ValueError("no codec; sound must be turned into codes; give --codec, or a Bark checkpoint with --model.")
    if isinstance(semantic_tokenizer, Path):
        semantic_tokenizer = str(semantic_tokenizer)
    if semantic_tokenizer is None and model is not None and (Path(model) / TOKENIZER_FOLDER).is_dir():
        semantic_tokenizer = str(Path(model) / TOKENIZER_FOLDER)
    loaded = load_tokenizer(semantic_tokenizer)
    rate = rules.semantic_rate_hz if loaded is None else loaded.rate_hz
    return Networks(codec, semantic_tokenizer, checkpoint_rules(model, codec, rate), device)


def _text_tokenizer(tokenizer: str | Path | None, model: str | Path | None) -> str | None:
    if tokenizer is not None:
        return without_nickname(str(tokenizer))
    if model is None:
        return None
    files = CheckpointFiles.open(str(model), {})
    return str(model) if files.find("tokenizer.json") or files.find("vocab.txt") else None


def _opened(sources: Place | Sequence[Place], columns: SourceOptions) -> list[Any]:
    places = list(sources) if isinstance(sources, (list, tuple)) else [sources]
    if not places:
        raise ValueError("no source; give at least one folder or dataset.")
    return [open_source(place, columns) for place in places]


def _check_semantic(clips: Sources, networks: Networks) -> None:
    lacking = [source.name for source in clips.sources if not source.has_semantic]
    if networks.semantic_tokenizer is None and lacking:
        raise ValueError(
            f"{lacking[0]} has no column 'semantic', and there is no semantic tokenizer to make the tokens; give one "
            "with --semantic-tokenizer."
        )


def _duplicates(clips: Sources) -> frozenset[int]:
    """Indexes of the clips whose id came before."""
    seen: set[str] = set()
    found = []
    for index, clip_id in enumerate(clips.ids()):
        if clip_id in seen:
            found.append(index)
        seen.add(clip_id)
    return frozenset(found)


def _finished(out: Path, settings: dict[str, Any]) -> PrepareReport | None:
    """The report of what is at `out`, if that is the result already.

    Raises:
        ValueError: if it is something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not _is_ours(out):
        raise ValueError(f"{out} exists and is no prepared data; it would be replaced; choose another folder.")
    report = PrepareReport.from_dict(read_json(out / REPORT_FILE))
    check_settings(report.settings, settings, out)
    return report


def _is_ours(folder: Path) -> bool:
    return (folder / REPORT_FILE).is_file() and (folder / DATASET_FILE).is_file()


def _remove(out: Path) -> None:
    """Delete prepared data and unfinished parts; nothing else."""
    if _is_ours(out):
        shutil.rmtree(out)
    shutil.rmtree(partial_folder(out), ignore_errors=True)


def _work_on(job: Job, workers: int, progress: Callable[[int, int], None] | None) -> None:
    missing, total = job.parts.missing(), len(job.sources)
    done = total - sum(min(job.part_size, total - number * job.part_size) for number in missing)
    for count in work(job, missing, workers):
        done += count
        if progress is not None:
            progress(done, total)


def _assemble(parts: PartFolder, settings: dict[str, Any]) -> PrepareReport:
    report = PrepareReport(settings=settings)
    for part in parts.reports():
        report.add(part)
    if not report.clips:
        path = parts.discard(report)
        reasons = ", ".join(f"{count} {reason}" for reason, count in report.reasons().items())
        raise ValueError(f"no clip is left of {len(report.refused)} ({reasons}); {path} says why, clip by clip.")
    parts.finish(report)
    return report
