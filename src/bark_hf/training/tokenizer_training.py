"""The training of a semantic tokenizer from a recipe to a folder and a report. Joins the parts; each is elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from ..demo import without_nickname
from ..semantic_tokenizer import SemanticTokenizer, load_semantic_tokenizer
from ..semantic_tokenizer.loading import SUBFOLDER
from .saving import replacing
from .tokenizer_clips import (
    LabelledClip,
    check_labels,
    clip_waveform,
    find_clips,
    sample_clips,
    split_clips,
    without_missing,
)
from .tokenizer_recipe import TokenizerRecipe
from .tokenizer_report import measure_tokenizer

REPORT_FILE = "report.json"
_DTYPES = {"float16": torch.float16, "float32": torch.float32}


def train_tokenizer(recipe: TokenizerRecipe) -> Path:
    """Train or fit one semantic tokenizer and measure it on held-out recordings.

    Args:
        recipe: what to train, on what.

    Returns:
        output_dir/semantic_tokenizer, which `load_semantic_tokenizer` opens; report.json is beside its files.

    Raises:
        ValueError: for recordings, labels or a recipe that don't fit: what is wrong, the limit, the remedy.
        ImportError: if a package is missing.
    """
    training, held_out, missing = recordings(recipe)
    if recipe.kind == "kmeans":
        from .tokenizer_kmeans import fit_kmeans

        tokenizer: SemanticTokenizer = fit_kmeans(recipe, training)
        dtype = torch.float32
    else:
        from .tokenizer_networks import build_network, train_network

        check_labels([*training, *held_out], recipe.n_tokens)
        network = build_network(recipe)
        train_network(recipe, network, training, held_out)
        tokenizer, dtype = network, _DTYPES[recipe.weights_dtype]
    return save_result(recipe, tokenizer, dtype, held_out, missing)


def recordings(recipe: TokenizerRecipe) -> tuple[list[LabelledClip], list[LabelledClip], list[str]]:
    """Clips to train on and clips to report on, with the teacher's labels where there is one; the files missing."""
    if recipe.model is not None and recipe.texts is not None:
        speak_pairs(recipe, recipe.model, Path(recipe.texts))
    clips, missing = without_missing(find_clips(recipe.data), recipe.data)
    clips = sample_clips(clips, recipe.max_clips, recipe.seed)
    if recipe.eval_data is not None:
        training = clips
        held_out, lost = without_missing(find_clips(recipe.eval_data), recipe.eval_data)
        missing += lost
    else:
        training, held_out = split_clips(clips, recipe.eval_fraction, recipe.seed)
    if recipe.teacher is not None:
        teacher = load_semantic_tokenizer(without_nickname(recipe.teacher))
        training, held_out = labelled_by(teacher, training), labelled_by(teacher, held_out)
    return training, held_out, missing


def speak_pairs(recipe: TokenizerRecipe, model: str, texts: Path) -> None:
    """Let the recipe's checkpoint speak its texts into the data folder, as far as they aren't there.

    Raises:
        ValueError: if there is no such text file, or nothing in it.
    """
    from ..semantic_tokenizer import HubertQuantizerConfig
    from .tokenizer_pairs import pairs_of_checkpoint
    from .trainer import training_device

    if not texts.is_file():
        raise ValueError(f"{texts} is no file; texts is a file with one text per line; check the path")
    lines = [line.strip() for line in texts.read_text(encoding="utf-8").splitlines() if line.strip()]
    pairs_of_checkpoint(
        model,
        lines,
        Path(recipe.data).expanduser(),
        voices=recipe.voices or [None],
        rate_hz=recipe.label_rate_hz or HubertQuantizerConfig.semantic_rate_hz,
        device=training_device(recipe.device),
        seed=recipe.seed,
    )


def labelled_by(teacher: SemanticTokenizer, clips: list[LabelledClip]) -> list[LabelledClip]:
    """The clips with the tokens of another tokenizer as labels."""
    rate = teacher.config.sampling_rate
    return [clip._replace(labels=teacher.encode(clip_waveform(clip, rate), rate).tolist()) for clip in clips]


def save_result(
    recipe: TokenizerRecipe,
    tokenizer: SemanticTokenizer,
    dtype: torch.dtype,
    held_out: list[LabelledClip],
    missing: list[str],
) -> Path:
    """Write the tokenizer, measure what was written, and write the report beside it."""
    result = Path(recipe.output_dir).expanduser() / SUBFOLDER
    result.parent.mkdir(parents=True, exist_ok=True)
    with replacing(result) as folder:
        tokenizer.save_pretrained(folder, dtype)
        report: dict[str, Any] = {"kind": recipe.kind, "missing": missing}
        if held_out:
            report["held_out"] = measure_tokenizer(
                load_semantic_tokenizer(folder),
                held_out,
                label_rate=recipe.label_rate_hz,
                labels_per_phone=recipe.labels_per_phone,
                tokens_are_labels=recipe.kind != "kmeans",
            )
            print(f"tokenizer: held out {json.dumps(report['held_out'])}", file=sys.stderr, flush=True)
        (folder / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"written: {result}", file=sys.stderr, flush=True)
    return result


__all__ = ["REPORT_FILE", "TokenizerRecipe", "train_tokenizer"]
