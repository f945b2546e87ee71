"""Whole evaluations: texts with voices, recordings, prepared data; and the folder that results go to.

Joins the other modules; must not know the command line.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..audio import write_file
from ..codec import decode_codes
from ..modeling_bark import BarkModel
from ..processing_bark import BarkProcessor
from ..voices import VoicePrompt
from .anomalies import Limits
from .clips import Clip, TextItem, speaker_of
from .error_rates import normalise
from .judging import Report, judge
from .plot import plot_results
from .recognisers import Recogniser
from .results import Results, Speed
from .speakers import SpeakerEncoder
from .speaking import StageSeconds, keep_sound, sound_name, speak_texts

AUDIO, RESULTS, PLOT = "audio", "results.json", "plot.png"  # in the folder of an evaluation
OUR_SOUND = re.compile(r"([a-z]+-)?\d{4}-.*\.wav")  # see `sound_name`
PACKAGES = ("bark-hf", "torch", "transformers", "jiwer", "faster-whisper", "resemblyzer", "soxr")


def evaluate_texts(
    model: BarkModel,
    processor: BarkProcessor,
    texts: Sequence[TextItem],
    voices: Mapping[str, VoicePrompt | None],
    folder: Path,
    *,
    recogniser: Recogniser | None = None,
    encoder: SpeakerEncoder | None = None,
    references: Mapping[str, Sequence[Clip]] | None = None,
    batch_size: int = 8,
    seed: int = 0,
    limits: Limits | None = None,
    report: Report | None = None,
    **keywords: Any,
) -> Results:
    """Say every text with every voice and judge what was said.

    Args:
        texts, voices, batch_size, seed, keywords: see `speak_texts`.
        folder: of the evaluation; made, or emptied of earlier results; sounds go to its folder `audio`.
        recogniser, encoder, limits, report: see `judge`.
        references: original recordings by speaker. A voice whose speaker is not among them is compared with its own
            voice prompt, decoded by the codec. Recordings of texts that are evaluated are judged too, as stage
            "recording": a recogniser errs on them as well.
    """
    clear_folder(folder)
    audio = folder / AUDIO
    clock = StageSeconds()
    clips = speak_texts(
        model,
        processor,
        texts,
        voices,
        audio,
        batch_size=batch_size,
        seed=seed,
        clock=clock,
        report=report,
        **keywords,
    )
    speed = Speed(
        clock.seconds,
        {stage: sum(clip.tokens[stage] for clip in clips) for stage in ("semantic", "coarse", "fine")},
        sum(clip.seconds for clip in clips),
    )
    known = dict(references or {})
    lacking = {name: voice for name, voice in voices.items() if voice is not None and speaker_of(name, known) is None}
    results = judge(
        [*clips, *same_texts(known, texts)],
        recogniser=recogniser,
        encoder=encoder,
        references=known | (decoded_voices(model, lacking, audio) if encoder is not None else {}),
        semantic_rate_hz=model.generation_config.semantic_config.semantic_rate_hz,
        limits=limits,
        report=report,
    )
    results.speed = speed
    return results


def evaluate_prepared(
    model: BarkModel,
    processor: BarkProcessor,
    dataset: Any,
    folder: Path,
    *,
    oracles: bool = True,
    losses: bool = False,
    recogniser: Recogniser | None = None,
    encoder: SpeakerEncoder | None = None,
    references: Mapping[str, Sequence[Clip]] | None = None,
    batch_size: int = 8,
    seed: int = 0,
    limits: Limits | None = None,
    report: Report | None = None,
    **keywords: Any,
) -> Results:
    """The chain of stages on prepared data.

    Args:
        dataset: see `bark_hf.training.dataset`.
        oracles: judge the sounds of `speak_oracles`. Without `references`, a speaker is what the codec makes of the
            true codes.
        losses: measure `stage_losses`.
        folder, recogniser, encoder, references, batch_size, seed, limits, report, keywords: see `evaluate_texts`.
    """
    from .losses import stage_losses
    from .oracles import CHAINS, speak_oracles

    results = Results([])
    if oracles:
        clear_folder(folder)
        audio = folder / AUDIO
        clips = speak_oracles(
            model, processor, dataset, audio, batch_size=batch_size, seed=seed, report=report, **keywords
        )
        truth = [clip for clip in clips if clip.stage == CHAINS[0]]
        speakers = {name: [clip for clip in truth if clip.voice == name] for name in {clip.voice for clip in truth}}
        results = judge(
            clips,
            recogniser=recogniser,
            encoder=encoder,
            references=references or dict(sorted(speakers.items())),
            semantic_rate_hz=model.generation_config.semantic_config.semantic_rate_hz,
            limits=limits,
            report=report,
        )
    if losses:
        results.losses = stage_losses(model, dataset, processor.tokenizer, seed=seed, batch_size=batch_size)
    return results


def same_texts(references: Mapping[str, Sequence[Clip]], texts: Sequence[TextItem]) -> list[Clip]:
    """The recordings that say one of the texts; case and punctuation don't matter."""
    wanted = {normalise(item.text) for item in texts}
    return [clip for clips in references.values() for clip in clips if normalise(clip.text) in wanted]


def decoded_voices(model: BarkModel, voices: Mapping[str, VoicePrompt], folder: Path) -> dict[str, list[Clip]]:
    """What voice prompts sound like: their fine codes through the codec, kept as `folder/reference-...wav`."""
    import torch

    found = {}
    for number, (name, voice) in enumerate(voices.items()):
        with torch.no_grad():
            (waveform,) = decode_codes(model.codec_model, [torch.from_numpy(voice.fine_prompt)])
        clip = Clip(name, "", name, "reference", None)
        keep_sound(
            clip, waveform, model.generation_config.sample_rate, folder / f"reference-{sound_name(number, name)}"
        )
        found[name] = [clip]
    return found


def check_folder(folder: Path, overwrite: bool = False) -> None:
    """Make sure that results can go to `folder`, which need not exist; what an interrupted run left is no obstacle.

    Raises:
        ValueError: for a file, a folder with other things in it, or, without `overwrite`, with earlier results.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; results go to a folder; choose another --output")
    if (folder / RESULTS).is_file():
        if not overwrite:
            raise ValueError(f"{folder} has results already; they would be mixed; give --overwrite or another --output")
    elif folder.is_dir() and any(entry.name not in (AUDIO, PLOT) for entry in folder.iterdir()):
        raise ValueError(f"{folder} has other files in it; results want a folder of their own; choose another --output")


def clear_folder(folder: Path) -> None:
    """Make the folder, or remove an earlier evaluation's results and sounds from it; files of other names stay."""
    (folder / AUDIO).mkdir(parents=True, exist_ok=True)
    sounds = [path for path in (folder / AUDIO).iterdir() if OUR_SOUND.fullmatch(path.name)]
    for old in [folder / RESULTS, folder / PLOT, *sounds]:
        old.unlink(missing_ok=True)


def write_results(results: Results, folder: Path, settings: dict[str, Any], limits: Limits | None = None) -> None:
    """Write `results.json` and `plot.png`; each appears complete or not at all.

    Args:
        results: gets `settings`, and the versions of the packages that take part.
        folder: made if it does not exist.
        limits: of the anomalies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results.settings = settings
    results.versions = {"python": platform.python_version()} | {
        name: found for name in PACKAGES if (found := _version(name)) is not None
    }
    (folder / PLOT).unlink(missing_ok=True)
    if results.items:
        plot_results(results, folder / PLOT, limits)
    write_file(folder / RESULTS, (json.dumps(results.to_dict(), indent=1, ensure_ascii=False) + "\n").encode())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
