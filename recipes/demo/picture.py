"""docs/images/demo.png: one test sentence as flite says it, through the codec, and as the demo reads it.

python recipes/demo/picture.py OUT [--number 11] [--model demo] [--to docs/images]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import soundfile
import soxr
import torch
from small_pictures import save

import bark_hf
from bark_hf.demo import without_nickname

mpl.use("Agg")
import matplotlib.pyplot as plt

IMAGES = Path(__file__).parents[2] / "docs/images"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--number", type=int, default=11, help="which test sentence")
    parser.add_argument("--model", default="demo", help="folder of the checkpoint")
    parser.add_argument("--to", type=Path, default=IMAGES, help="folder of the picture")
    args = parser.parse_args()

    source = without_nickname(args.model)
    model = bark_hf.BarkModel.from_pretrained(source)
    processor = bark_hf.BarkProcessor.from_pretrained(source)
    figure, axes = plt.subplots(3, 2, figsize=(10, 6), sharey=True, layout="constrained")
    for column, voice in enumerate(("slt", "rms")):
        lines = (args.out / f"test/{voice}/metadata.jsonl").read_text(encoding="utf-8").splitlines()
        row = json.loads(lines[args.number])
        samples, rate = soundfile.read(args.out / f"test/{voice}" / row["file_name"], dtype="float32")
        original = soxr.resample(samples, rate, model.sampling_rate)
        original *= 10 ** (-23 / 20) / np.sqrt(np.mean(original**2))
        with torch.no_grad():
            codes = model.codec_model.encode(torch.tensor(original)[None, None]).audio_codes
            decoded = model.codec_model.decode(codes, [None]).audio_values[0, 0].numpy()
        spoken = model.generate(**processor(row["text"], voice_preset=voice), seed=1)[0].numpy()
        sounds = {"flite": original, "through the codec": decoded, "read by the demo": spoken}
        for axis, (label, sound) in zip(axes[:, column], sounds.items(), strict=True):
            axis.specgram(sound, NFFT=1024, Fs=model.sampling_rate, noverlap=768, vmin=-120, vmax=-40, cmap="magma")
            axis.set(ylim=(0, 8000), title=f"{voice}, {label}", ylabel="Hz" if not column else "")
        axes[2, column].set_xlabel("seconds")
    figure.suptitle(f"“{row['text']}”")
    args.to.mkdir(parents=True, exist_ok=True)
    save(figure, args.to / "demo.png", colours=64)


if __name__ == "__main__":
    main()
