"""Join the trained parts to the demo checkpoint: a folder in the Hub's layout, one file per part, half precision.

    python recipes/demo/pack.py OUT [--to src/bark_hf/demo/checkpoint]

Takes OUT/base (configs, tokenizer), how to generate from base.py, the results in OUT/runs of semantic, coarse, fine,
codec and tokenizer, and, for the voices, OUT/prepared. The weights are stored in float16 (half the size; the networks
were trained in bfloat16, which has fewer bits) and load as float32, because `config.json` says so.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import torch
from base import generation_config
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from bark_hf import BarkModel, BarkProcessor, VoicePrompt
from bark_hf.training.dataset import load_prepared
from bark_hf.voices import VoiceRules

STAGES = {"semantic": "semantic", "coarse": "coarse_acoustics", "fine": "fine_acoustics"}
VOICE_SECONDS = (1.9, 2.3)  # longer voices are read no better
# Of eight clips of slt, the one behind which 30 held-out sentences were heard best; of rms, the first. A choice among
# eleven clips of each by 24 other sentences did not hold on the test sentences: docs/demo.md.
VOICE_TEXTS = {"slt": "The occupied countries of Europe."}
LIMIT_MB = 32


def choose_voices(prepared: Path, rules: VoiceRules) -> dict[str, VoicePrompt]:
    """Per speaker, the clip of `VOICE_TEXTS`, or the first training clip of a fitting length, as a voice."""
    voices: dict[str, VoicePrompt] = {}
    for row in load_prepared(prepared):
        wanted = VOICE_TEXTS.get(row["speaker"], row["text"]) == row["text"]
        if wanted and row["speaker"] not in voices and VOICE_SECONDS[0] <= row["seconds"] <= VOICE_SECONDS[1]:
            codes = np.array(row["codes"])
            voices[row["speaker"]] = VoicePrompt(
                np.array(row["semantic"]), codes[: rules.n_coarse_codebooks], codes, name=row["speaker"], rules=rules
            )
    return voices


def halves(file: Path) -> dict[str, torch.Tensor]:
    """A safetensors file's tensors, floating ones as float16."""
    return {name: t.half() if t.is_floating_point() else t for name, t in load_file(file).items()}


def split_by_part(folder: Path) -> None:
    """model.safetensors -> one file per network and codec, with their index: a part can be trained on alone."""
    tensors = halves(folder / "model.safetensors")
    parts = sorted({name.partition(".")[0] for name in tensors})
    weight_map = {}
    for number, part in enumerate(parts, start=1):
        file = f"model-{number:05}-of-{len(parts):05}.safetensors"
        own = {name: tensor for name, tensor in tensors.items() if name.startswith(f"{part}.")}
        save_file(own, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(own, file)
    size = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
    (folder / "model.safetensors").unlink()


def pack(out: Path, to: Path) -> None:
    """Write the checkpoint to a temporary folder beside `to`, then rename it."""
    codec = AutoModel.from_pretrained(out / "runs/codec/model", dtype=torch.float32)
    model = BarkModel.from_pretrained(out / "base", dtype=torch.float32)
    codec.config._name_or_path = ""  # no folder of this machine is published
    model.config.codec_config = codec.config
    model.codec_model = codec
    model.generation_config = generation_config()  # limits and temperatures may be chosen after the training
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
    model.save_pretrained(part, max_shard_size="1GB")
    split_by_part(part)
    processor.save_pretrained(part)
    shutil.copytree(out / "runs/tokenizer/semantic_tokenizer", part / "semantic_tokenizer")
    for file in (part / "semantic_tokenizer").glob("*.safetensors"):
        save_file(halves(file), file, metadata={"format": "pt"})
    size = sum(file.stat().st_size for file in part.rglob("*") if file.is_file()) / 1e6
    if size > LIMIT_MB:
        raise SystemExit(f"The packed checkpoint has {size:.1f} MB; at most {LIMIT_MB} are allowed in the package.")
    shutil.rmtree(to, ignore_errors=True)
    for file in part.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)
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
