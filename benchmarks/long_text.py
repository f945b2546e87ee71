"""A long text with one voice: is every word said, is memory flat, does a killed run go on, does the voice stay.

    python benchmarks/long_text.py OUT [--text FILE] [--words 2000] [--model demo] [--voice slt] [--seed 1]
        [--piece-seconds X] [--batch-size 4] [--modes fixed,rolling,hybrid] [--recogniser faster-whisper:FOLDER]
        [--listen-to fixed] [--skip read,kill,modes,listen]

FILE is any English text, or a `.jsonl` list of texts; its sentences are repeated in a seeded order until there are so
many words. The parts, each of which needs what stands above it and can be left out once it was run into the same OUT:

    read    read_long into OUT/pieces-fixed and OUT/long.wav: words accounted for, resident memory, OUT/memory.png
    kill    `bark-hf say --resume-to`, killed when half of the pieces are there, then once more: what was redone
    modes   the text in each voice mode: likeness of the first and the last piece, OUT/likeness.png
    listen  word error rate by a recogniser, piece by piece (needs --recogniser)

Results are printed and collected in OUT/results.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import soundfile
import torch
from long_text_heard import heard, likeness, plot_likeness
from long_text_killed import killed_and_resumed, same_pieces
from long_text_memory import MemoryWatch, memory_figures, plot_memory
from long_text_words import account, long_text, sentences_of

from bark_hf import BarkModel, BarkProcessor
from bark_hf.demo import without_nickname
from bark_hf.evaluation.recognisers import load_recogniser
from bark_hf.evaluation.speakers import ResemblyzerEncoder
from bark_hf.longform import LongResult, open_long, read_long, token_counter
from bark_hf.longform.reading import piece_size
from bark_hf.voice_making import play_voice

PARTS = ("read", "kill", "modes", "listen")


class Reading:
    """The text, the checkpoint, and where things go."""

    def __init__(self, arguments: argparse.Namespace):
        self.arguments, self.out = arguments, arguments.out
        self.text = long_text(sentences_of(arguments.text), arguments.words, arguments.seed)
        self.text_file = self.out / "text.txt"
        self.text_file.write_text(self.text, encoding="utf-8")
        source = without_nickname(arguments.model)
        self.model = BarkModel.from_pretrained(source).eval()
        self.processor = BarkProcessor.from_pretrained(source)

    def pieces_of(self, mode: str) -> Path:
        """Where the pieces of a voice mode are kept."""
        return self.out / f"pieces-{mode}"

    def read(self, mode: str, **options: Any) -> LongResult:
        """All of the text; what is in its folder already is not made again."""
        return read_long(
            self.model,
            self.processor,
            self.text,
            self.arguments.voice,
            seed=self.arguments.seed,
            piece_seconds=self.arguments.piece_seconds,
            batch_size=self.arguments.batch_size,
            voice_mode=mode,
            folder=self.pieces_of(mode),
            **options,
        )


def read(reading: Reading) -> dict[str, Any]:
    """Words, ids and memory of one run from its beginning to the sound file."""
    if reading.pieces_of("fixed").exists():
        raise SystemExit(f"{reading.pieces_of('fixed')} is there; delete it to measure again, or give --skip read")
    started = time.perf_counter()
    with MemoryWatch() as watch:
        result = reading.read("fixed", report=watch.report)
        seconds = time.perf_counter() - started
        result.save(reading.out / "long.wav")
        watch.report("saved", len(result), len(result))
    *samples, saved = watch.samples
    arguments = reading.arguments
    size = piece_size(reading.model, reading.processor, arguments.piece_seconds, {})
    pieces = [segment.piece for segment in result.segments]
    words = account(reading.text, pieces, token_counter(reading.processor.tokenizer), size.tokens)
    words["pieces_stopped_by_the_limit"] = sum(record.hit_limit for record in result.records)
    words["pieces_without_sound"] = sum(not record.samples for record in result.records)
    plot_memory(samples, reading.out / "memory.png", f"{words['words']:,} words, {result.seconds:.0f} s of sound")
    return {
        **words,
        "faults": {str(index): list(faults) for index, faults in result.faults.items()},
        "unspoken": list(result.unspoken),
        "sound_seconds": result.seconds,
        "work_seconds": seconds,
        "memory": memory_figures(samples),
        "memory_after_saving_mb": saved.resident,
        "samples": [sample._asdict() for sample in samples],
    }


def kill(reading: Reading) -> dict[str, Any]:
    """The command line's run, killed and resumed, against the one that was not killed."""
    arguments, unkilled = reading.arguments, reading.pieces_of("fixed")
    total = len(list(unkilled.glob("pieces/*.json")))
    if not total:
        raise SystemExit("--skip read: there is no earlier run to compare with; leave it out")
    say = ["--file", str(reading.text_file), "--model", arguments.model, "--voice", arguments.voice]
    say += ["--seed", str(arguments.seed), "--batch-size", str(arguments.batch_size), "--device", "cpu"]
    if arguments.piece_seconds is not None:
        say += ["--piece-seconds", str(arguments.piece_seconds)]
    sound = reading.out / "killed.wav"
    found = killed_and_resumed(say, reading.pieces_of("killed"), sound, total)
    plain, _ = soundfile.read(reading.out / "long.wav", dtype="int16")
    resumed, _ = soundfile.read(sound, dtype="int16")
    same = plain.shape == resumed.shape and bool((plain == resumed).all())
    return {**found, **same_pieces(unkilled, reading.pieces_of("killed")), "sound_equals_unkilled": same}


def modes(reading: Reading) -> dict[str, Any]:
    """Likeness from the first to the last piece in each voice mode."""
    voice = reading.processor.voice(reading.arguments.voice)
    sound = play_voice(voice, reading.model.codec_model, reading.model.generation_config).waveform().numpy()
    encoder, found = ResemblyzerEncoder(), {}
    for mode in reading.arguments.modes:
        found[mode] = likeness(reading.read(mode).segments, encoder, sound)
        print(f"{mode}: first to last {found[mode]['first_to_last']:.3f}", flush=True)
    plot_likeness(found, reading.out / "likeness.png")
    return found


def listen(reading: Reading) -> dict[str, Any]:
    """Error rates of the modes that are to be listened to."""
    recogniser = load_recogniser(reading.arguments.recogniser)
    return {
        mode: heard(open_long(reading.pieces_of(mode)).segments, recogniser) for mode in reading.arguments.listen_to
    }


def table(results: dict[str, Any]) -> str:
    """Markdown, one line per figure."""
    lines = ["| what | figure |", "|---|---|"]
    if part := results.get("read"):
        memory = part["memory"]
        lines += [
            f"| words in the text, in the pieces | {part['words']:,}, {part['words_in_pieces']:,} |",
            f"| every word in one piece, in order | {_yes(part['every_word_once_in_order'])} |",
            f"| pieces; most ids in one, limit | {part['pieces']}; {part['most_ids']}, {part['limit_ids']} |",
            f"| pieces over the limit of ids, stopped by the limit of tokens, without sound | "
            f"{part['pieces_over_the_limit']}, {part['pieces_stopped_by_the_limit']}, {part['pieces_without_sound']} |",
            f"| sound, work | {part['sound_seconds']:.0f} s, {part['work_seconds']:.0f} s |",
            f"| resident memory, median of the first and last quarter | {memory['first_quarter_mb']:.0f} MB, "
            f"{memory['last_quarter_mb']:.0f} MB ({memory['growth']:+.1%}) |",
            f"| the same, highest within a batch | {memory['first_quarter_most_mb']:.0f} MB, "
            f"{memory['last_quarter_most_mb']:.0f} MB |",
        ]
    if part := results.get("kill"):
        lines += [
            f"| killed with pieces finished, of | {part['finished_when_killed']}, {part['pieces']} |",
            f"| of them made again by the second run | {part['redone']} |",
            f"| pieces with other tokens, other sound than the run that was not killed | "
            f"{part['pieces_with_other_tokens']}, {part['pieces_with_other_sound']} |",
            f"| joined sound equals that run's | {_yes(part['sound_equals_unkilled'])} |",
        ]
    for mode, found in results.get("modes", {}).items():
        lines.append(
            f"| {mode}: likeness of first to last piece; first, last quarter to the voice; least | "
            f"{found['first_to_last']:.2f}; {found['first_quarter_to_voice']:.2f}, "
            f"{found['last_quarter_to_voice']:.2f}; {found['least_to_voice']:.2f} |"
        )
    for mode, found in results.get("listen", {}).items():
        rate = found["wer"]
        lines.append(
            f"| {mode}: word error rate [95 %]; first, last quarter | {rate['value']:.1%} [{rate['low']:.1%} to "
            f"{rate['high']:.1%}]; {found['wer_first_quarter']:.1%}, {found['wer_last_quarter']:.1%} |"
        )
    return "\n".join(lines)


def _yes(value: bool) -> str:
    return "yes" if value else "NO"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--text", type=Path, help="where the sentences come from; without it those of first_audio.py")
    parser.add_argument("--words", type=int, default=2_000)
    parser.add_argument("--model", default="demo", help="folder, name on the Hub, or demo")
    parser.add_argument("--voice", default="slt")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--piece-seconds", type=float)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--modes", type=lambda names: names.split(","), default=["fixed", "rolling", "hybrid"])
    parser.add_argument("--recogniser", help="faster-whisper:MODEL or transformers:MODEL; without it nobody listens")
    parser.add_argument("--listen-to", type=lambda names: names.split(","), default=["fixed"], help="voice modes")
    parser.add_argument("--skip", type=lambda names: names.split(","), default=[], help=", ".join(PARTS))
    arguments = parser.parse_args()
    if unknown := set(arguments.skip) - set(PARTS):
        parser.error(f"--skip {','.join(unknown)} is unknown; the parts are {', '.join(PARTS)}")

    arguments.out.mkdir(parents=True, exist_ok=True)
    kept = arguments.out / "results.json"
    results: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    results["settings"] = {name: str(value) for name, value in vars(arguments).items()}
    results["settings"] |= {"torch": torch.__version__, "threads": torch.get_num_threads()}
    reading = Reading(arguments)
    for name, part in zip(PARTS, (read, kill, modes, listen), strict=True):
        if name in arguments.skip or (name == "listen" and arguments.recogniser is None):
            continue
        started = time.perf_counter()
        results[name] = part(reading)
        kept.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
    print(table(results))


if __name__ == "__main__":
    main()
