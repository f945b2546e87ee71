"""Pairs of sound and semantic tokens that a Bark checkpoint makes itself: what a quantizer for it is trained on.

Suno's own tokenizer is not public, but its model shows which tokens make which sound. Knows the model's `generate`
and files; must not know tokenizers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..audio import encode, write_file
from ..demo import without_nickname

METADATA = "metadata.jsonl"


def make_pairs(
    model: Any,
    processor: Any,
    texts: Sequence[str],
    folder: str | Path,
    *,
    voices: Sequence[str | None] = (None,),
    batch_size: int = 4,
    seed: int = 0,
) -> Path:
    """Speak texts and keep the sound with its semantic tokens; a second call goes on behind what is there.

    Args:
        model: `BarkModel`.
        processor: `BarkProcessor`.
        texts: one recording each. Many voices and kinds of text make a good quantizer.
        folder: gets `pair-000000.wav`, ... and metadata.jsonl (file_name, text, speaker, semantic).
        voices: presets taken in turn; None: a random voice.
        batch_size: texts at once.
        seed: item i is spoken with seed + i, so that batches and interruptions change nothing.

    Returns:
        the folder.

    Raises:
        ValueError: without texts.
    """
    if not texts:
        raise ValueError("0 texts make no pairs; give at least one, a few hundred for a usable quantizer")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    done = _whole_lines(folder / METADATA)
    left = [index for index in range(len(texts)) if _file_name(index) not in done]
    for start in range(0, len(left), batch_size):
        batch = left[start : start + batch_size]
        chosen = [voices[index % len(voices)] for index in batch]
        inputs = processor([texts[index] for index in batch], voice_preset=chosen)
        output = model.generate(**inputs, seed=[seed + index for index in batch], return_dict_in_generate=True)
        for item, (index, voice) in enumerate(zip(batch, chosen, strict=True)):
            tokens = output.semantic_tokens[item, : int(output.semantic_lengths[item])].tolist()
            audio = output.waveform(item).float().cpu().numpy()
            if audio.size == 0:
                continue  # the model had nothing to say
            write_file(folder / _file_name(index), encode(audio.clip(-1.0, 1.0), output.sampling_rate))
            row = {
                "file_name": _file_name(index),
                "text": texts[index],
                "speaker": voice or f"random-{index}",
                "semantic": tokens,
            }
            with (folder / METADATA).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        print(f"pairs: {len(texts) - len(left) + start + len(batch)}/{len(texts)}", file=sys.stderr, flush=True)
    return folder


def pairs_of_checkpoint(
    checkpoint: str,
    texts: Sequence[str],
    folder: str | Path,
    *,
    voices: Sequence[str | None] = (None,),
    rate_hz: float,
    device: str = "cpu",
    seed: int = 0,
) -> Path:
    """`make_pairs` with a checkpoint's model and processor.

    Args:
        checkpoint: folder or Hub name.
        rate_hz: of the labels that the training expects, in Hz.
        device: where to generate.

    Raises:
        ValueError: if the checkpoint's semantic tokens have another rate.
    """
    from ..modeling_bark import BarkModel
    from ..processing_bark import BarkProcessor

    checkpoint = without_nickname(checkpoint)
    model = BarkModel.from_pretrained(checkpoint).eval().to(device)
    rate = model.generation_config.semantic_config.semantic_rate_hz
    if rate != rate_hz:
        raise ValueError(
            f"{checkpoint} has {rate:g} semantic tokens per second, expected are {rate_hz:g}; give "
            f"label_rate_hz={rate:g}"
        )
    return make_pairs(model, BarkProcessor.from_pretrained(checkpoint), texts, folder, voices=voices, seed=seed)


def _file_name(index: int) -> str:
    return f"pair-{index:06d}.wav"


def _whole_lines(metadata: Path) -> set[str]:
    """File names that are listed already; half a line at the end, from a killed run, is cut off."""
    if not metadata.is_file():
        return set()
    lines = metadata.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    if len(whole) < len(lines):
        metadata.write_text("".join(whole), encoding="utf-8")
    return {json.loads(line)["file_name"] for line in whole}


__all__ = ["make_pairs", "pairs_of_checkpoint"]
