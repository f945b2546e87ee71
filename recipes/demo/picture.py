"""docs/images/demo.png: one test sentence as flite says it, through the codec, and as the demo reads it.

python recipes/demo/picture.py OUT [--number 11]
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

import bark_hf

mpl.use("Agg")
import matplotlib.pyplot as plt

PICTURE = Path(__file__).parents[2] / "docs/images/demo.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--number", type=int, default=11, help="which test sentence")
    args = parser.parse_args()

    model = bark_hf.BarkModel.from_pretrained(bark_hf.demo_path())
    processor = bark_hf.BarkProcessor.from_pretrained(bark_hf.demo_path())
    figure, axes = plt.subplots(3, 2, figsize=(12, 7), sharey=True, layout="constrained")
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
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=80)


if __name__ == "__main__":
    main()
