"""The pictures of docs/gallery.md, made with the demo checkpoint: one command, fixed seeds, a minute.

    python recipes/demo/gallery.py [--model demo] [--to docs/images] [--only sentence dialogue stream output voice]

Each is a PNG of less than 150 kB.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import textwrap
import time
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import torch
from small_pictures import save, shrink
from speech import PHONES

import bark_hf
from bark_hf.demo import without_nickname
from bark_hf.longform import read_long, read_script, stream

mpl.use("Agg")
import matplotlib.pyplot as plt

IMAGES = Path(__file__).parents[2] / "docs/images"
BLUE, ORANGE, RED, GREY = "#3b6ea5", "#e08e45", "#c0392b", "#888888"
SENTENCE = "The first winter storm broke over New York."
SCRIPT = """
Sally: Good morning. How are you today?
Ralph: I am very well, thank you.
[pause 0.8s]
Sally: Do you like the cold weather?
Ralph: No. I would like to see the sun again.
"""
TEXT = (
    "The harbour was quiet in the morning. A woman in a yellow coat stood by the water. She was waiting for the first "
    "boat. Nobody had seen it since the storm. The old man at the window shook his head. He said that the wind would "
    "turn. Then a child ran down the road. The boat is coming home, she said. All of them went to the water."
)


def sentence(model: Any, processor: Any, path: Path) -> None:
    """One sentence in both voices: waveform, spectrogram, semantic tokens with their phones, codes."""
    voices = ["slt", "rms"]
    out = model.generate(**processor([SENTENCE] * 2, voice_preset=voices), seed=[1, 1], return_dict_in_generate=True)
    ratios = [1, 2.2, 0.5, 1.2]
    figure, axes = plt.subplots(4, 2, figsize=(12, 7), sharex="col", height_ratios=ratios, layout="constrained")
    for column, voice in enumerate(voices):
        sound, rate = out.waveform(column).numpy(), out.sampling_rate
        tokens = out.semantic_tokens[column, : int(out.semantic_lengths[column])].numpy()
        codes = out.fine_codes[column, :, : int(out.code_lengths[column])].numpy()
        seconds = sound.shape[0] / rate
        wave, spectrum, phones, books = axes[:, column]
        wave.plot(np.arange(sound.shape[0]) / rate, sound, linewidth=0.4, color=BLUE)
        wave.set(title=f"voice {voice}, {seconds:.2f} s", yticks=[], ylabel="" if column else "waveform")
        spectrum.specgram(sound, NFFT=1024, Fs=rate, noverlap=768, vmin=-125, vmax=-45, cmap="magma")
        spectrum.set_facecolor("black")
        spectrum.set(ylim=(0, 8000), yticks=[0, 2000, 4000, 6000, 8000], yticklabels=[0, 2, 4, 6, 8])
        draw_phones(phones, tokens, seconds)
        books.imshow(codes, aspect="auto", extent=(0, codes.shape[1] / 75, 8.5, 0.5), interpolation="none")
        books.axhline(2.5, color="white", linewidth=2)
        books.set(yticks=range(1, 9), xlabel="seconds", xlim=(0, seconds))
        if not column:
            spectrum.set_ylabel("kHz")
            phones.set_ylabel("semantic\ntokens", rotation=0, ha="right", va="center")
            books.set_ylabel("codebook\n(1, 2: coarse)")
    figure.suptitle(f"“{SENTENCE}”", fontsize=14)
    save(figure, path)


def draw_phones(axes: Any, tokens: np.ndarray, seconds: float) -> None:
    """The demo's semantic tokens are thirds of phones: a stripe per token, darker within a phone, its name below."""
    at, shades = 0.0, []
    for number, (phone, run) in enumerate(groupby(tokens // 3)):
        own = list(run)
        shades += [0.2 + 0.6 * (number % 2)] * len(own)
        if phone < len(PHONES) and PHONES[phone] != "pau":
            axes.text(at + len(own) / 100, 0.5, PHONES[phone], ha="center", va="center", fontsize=8)
        at += len(own) / 50
    shade = np.array(shades) + 0.07 * (tokens % 3)
    axes.imshow(shade[None], aspect="auto", extent=(0, at, 0, 1), cmap="Blues", vmin=0, vmax=2.2)
    axes.set(yticks=[], xlim=(0, seconds))


def dialogue(model: Any, processor: Any, path: Path) -> None:
    """Who speaks when: the joined sound in the speakers' colours, with what each piece should say."""
    result = read_script(model, processor, SCRIPT, {"Sally": "slt", "Ralph": "rms"}, seed=1)
    colours = {"Sally": ORANGE, "Ralph": BLUE}
    sound, rate = result.audio, result.sampling_rate
    figure, (wave, words) = plt.subplots(2, 1, figsize=(12, 4), sharex=True, layout="constrained")
    wave.plot(np.arange(sound.shape[0]) / rate, sound, linewidth=0.4, color=GREY)
    for segment in result.segments:
        first, last = (round(rate * at) for at in (segment.start, segment.start + segment.seconds))
        colour = colours[segment.speaker]
        wave.plot(np.arange(first, last) / rate, sound[first:last], linewidth=0.4, color=colour)
        lane = 1 - list(colours).index(segment.speaker)
        words.barh(lane, segment.seconds, left=segment.start, height=0.8, color=colour, alpha=0.3)
        label = textwrap.fill(segment.text, max(12, round(9 * segment.seconds)))
        words.text(segment.start + segment.seconds / 2, lane, label, ha="center", va="center", fontsize=9)
    for before, after in pairwise(result.segments):
        end = before.start + before.seconds
        words.text((end + after.start) / 2, 0.5, f"{after.start - end:.2f} s", color=GREY, ha="center", fontsize=8)
    wave.set(yticks=[], ylabel="joined sound")
    words.set(yticks=[1, 0], ylim=(-0.6, 1.6), xlim=(0, result.seconds), xlabel="seconds")
    words.set_yticklabels(["Sally\n(slt)", "Ralph\n(rms)"])
    save(figure, path)


def streamed(model: Any, processor: Any, path: Path) -> None:
    """When the pieces of a stream came, and when a player plays them, against the plain call.

    Seconds of work are processor time of one core, so that other work on the machine does not count.
    """
    torch.set_num_threads(1)
    call: dict[str, Any] = {"voice": "slt", "seed": 1, "piece_seconds": 3.5, "first_seconds": 2.0}
    batches = streamed_batches(model, processor, call)
    started = time.process_time()
    read_long(model, processor, TEXT, **call)
    plain = time.process_time() - started

    figure, axes = plt.subplots(figsize=(12, 3.4), layout="constrained")
    first, shades = batches[0].came, plt.get_cmap("viridis")(np.linspace(0.4, 0.95, len(batches)))
    before, clock, said = 0.0, first, 0
    for batch, colour in zip(batches, shades, strict=True):
        clock = max(clock, batch.came)
        label = f"{said + 1}" if batch.pieces == said + 1 else f"{said + 1} to {batch.pieces}"
        bar(axes, 2, before, batch.came, label, colour)
        bar(axes, 1, clock, clock + batch.seconds, label, colour)
        before, clock, said = batch.came, clock + batch.seconds, batch.pieces
    bar(axes, 0, 0.0, plain, f"1 to {said}", "#bbbbbb")
    bar(axes, 0, plain, plain + sum(batch.seconds for batch in batches), "played", "#dddddd")
    axes.axvline(first, color=RED, linewidth=1.2)
    axes.text(first, 2.5, f" first sound of the stream after {first:.1f} s", color=RED, va="bottom")
    axes.set(yticks=[2, 1, 0], ylim=(-0.5, 3), xlabel="seconds since the call, on one core", xlim=(0, None))
    axes.set_yticklabels(["stream: pieces made", "stream: pieces played", "plain call"])
    save(figure, path)


class Batch(NamedTuple):
    """What came of a stream at once.

    Attributes:
        pieces: made by then.
        came: seconds since the call.
        seconds: of sound, with the pauses behind the pieces.
    """

    pieces: int
    came: float
    seconds: float


def streamed_batches(model: Any, processor: Any, call: dict[str, Any]) -> list[Batch]:
    """The batches of one stream, in order."""
    made, batches, started = [0], list[Batch](), time.process_time()
    sound = stream(model, processor, TEXT, **call, report=lambda _, done, __: made.append(done))
    for chunk in sound:
        seconds = chunk.shape[0] / sound.sampling_rate
        if batches and batches[-1].pieces == made[-1]:
            batches[-1] = batches[-1]._replace(seconds=batches[-1].seconds + seconds)
        else:
            batches.append(Batch(made[-1], time.process_time() - started, seconds))
    return batches


def bar(axes: Any, lane: int, left: float, right: float, label: str, colour: Any) -> None:
    """A labelled stretch of time."""
    axes.barh(lane, right - left, left=left, height=0.7, color=colour, edgecolor="white")
    axes.text((left + right) / 2, lane, label, ha="center", va="center", fontsize=9)


def output(model: Any, processor: Any, path: Path) -> None:
    """`out.plot()` as it is."""
    inputs = processor("How are you today?", voice_preset="rms")
    figure = model.generate(**inputs, seed=1, return_dict_in_generate=True).plot()
    save(figure, path)


def voice(model: Any, _processor: Any, path: Path) -> None:
    """`bark-hf voices show` as it is."""
    command = [sys.executable, "-m", "bark_hf_cli", "voices", "show", "slt", "-m", model.name_or_path, "-o", str(path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shrink(path, path)


PICTURES = {"sentence": sentence, "dialogue": dialogue, "stream": streamed, "output": output, "voice": voice}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="folder of the checkpoint")
    parser.add_argument("--to", type=Path, default=IMAGES, help="folder of the pictures")
    parser.add_argument("--only", nargs="+", choices=list(PICTURES), default=list(PICTURES))
    args = parser.parse_args()

    args.to.mkdir(parents=True, exist_ok=True)
    source = without_nickname(args.model)
    model = bark_hf.BarkModel.from_pretrained(source).eval()
    processor = bark_hf.BarkProcessor.from_pretrained(source)
    for name in args.only:
        PICTURES[name](model, processor, args.to / f"gallery_{name}.png")


if __name__ == "__main__":
    main()
