"""Join the trained parts to the demo checkpoint: one folder in the Hub's layout, weights in half precision.

    python recipes/demo/pack.py OUT [--to src/bark_hf/demo/checkpoint]

Takes OUT/base (configs, tokenizer), OUT/runs/{semantic,coarse,fine}/model, OUT/runs/codec, OUT/semantic_tokenizer and,
for the voices, OUT/prepared. The weights are stored in float16 (half the size; the networks were trained in bfloat16,
which has fewer bits) and load as float32, because `config.json` says so.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from bark_hf import BarkModel, BarkProcessor, VoicePrompt
from bark_hf.training.dataset import load_prepared
from bark_hf.voices import VoiceRules

STAGES = {"semantic": "semantic", "coarse": "coarse_acoustics", "fine": "fine_acoustics"}
VOICE_SECONDS = (3.6, 4.2)  # the coarse stage looks back 4.2 s
LIMIT_MB = 32


def choose_voices(prepared: Path, rules: VoiceRules) -> dict[str, VoicePrompt]:
    """Per speaker, the first training clip of a fitting length, as a voice."""
    voices: dict[str, VoicePrompt] = {}
    for row in load_prepared(prepared):
        if row["speaker"] not in voices and VOICE_SECONDS[0] <= row["seconds"] <= VOICE_SECONDS[1]:
            codes = np.array(row["codes"])
            voices[row["speaker"]] = VoicePrompt(
                np.array(row["semantic"]), codes[: rules.n_coarse_codebooks], codes, name=row["speaker"], rules=rules
            )
    return voices


def to_half(file: Path) -> None:
    """Floating tensors of a safetensors file as float16; integers stay."""
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in load_file(file).items()}
    save_file(tensors, file, metadata={"format": "pt"})


def pack(out: Path, to: Path) -> None:
    """Write the checkpoint to a temporary folder beside `to`, then rename it."""
    codec = AutoModel.from_pretrained(out / "runs/codec", dtype=torch.float32)
    model = BarkModel.from_pretrained(out / "base", dtype=torch.float32)
    model.config.codec_config = codec.config
    model.codec_model = codec
    for run, name in STAGES.items():
        trained = BarkModel.from_pretrained(out / "runs" / run / "model", dtype=torch.float32)
        setattr(model, name, getattr(trained, name))
    processor = BarkProcessor.from_pretrained(out / "base")
    rules = VoiceRules.from_generation_config(model.generation_config.to_dict())
    processor.voices.rules = rules
    for name, voice in choose_voices(out / "prepared", rules).items():
        processor.add_voice(name, voice)

    part = to.with_name(f"{to.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    model.save_pretrained(part)
    to_half(part / "model.safetensors")
    processor.save_pretrained(part)
    shutil.copytree(out / "semantic_tokenizer", part / "semantic_tokenizer")
    for file in (part / "semantic_tokenizer").glob("*.safetensors"):
        to_half(file)
    size = sum(file.stat().st_size for file in part.rglob("*") if file.is_file()) / 1e6
    if size > LIMIT_MB:
        raise SystemExit(f"The packed checkpoint has {size:.1f} MB; at most {LIMIT_MB} are allowed in the package.")
    shutil.rmtree(to, ignore_errors=True)
    part.rename(to)
    print(f"{to}: {size:.1f} MB, voices {', '.join(processor.voices.names)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--to", type=Path, default=Path(__file__).parents[2] / "src/bark_hf/demo/checkpoint")
    args = parser.parse_args()
    pack(args.out, args.to)


if __name__ == "__main__":
    main()
