"""Recording -> voice -> speech: how much of the speaker is left, beside recordings and another speaker.

    python benchmarks/voice_round_trip.py RECORDINGS OUT [--model demo] [--voices 5] [--sentences 10] [--seed 1]
        [--batch-size 10] [--recogniser faster-whisper:FOLDER]

RECORDINGS has a folder per speaker, each with sounds and their `metadata.jsonl` (`file_name`, `text`), at least two
speakers with the same texts. Of each speaker the first --voices recordings become voices (`bark_hf.voice_making`, with
the checkpoint's own codec and tokenizer); with each of them the model says the --sentences texts behind those. Every
clip is compared with each speaker's further recordings, those of none of these texts (Resemblyzer, cosine to their
mean; a recording is not compared with itself). Rows of the table:

    recordings    what the speakers' own recordings have among themselves: the most that can be reached
    codec         the made voices, decoded: what coding leaves
    speech        what the model says with them
    preset        the same texts with the checkpoint's own voice of the speaker's name, if it has one

Sounds go to OUT/SPEAKER/..., figures to OUT/results.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bark_hf import BarkModel, BarkProcessor, VoicePrompt
from bark_hf.demo import without_nickname
from bark_hf.evaluation.error_rates import Edits, count_edits, word_error_rate
from bark_hf.evaluation.recognisers import Recogniser, load_recogniser
from bark_hf.evaluation.sounds import read_sound
from bark_hf.evaluation.speakers import Embedded, ResemblyzerEncoder, cosine
from bark_hf.voice_making import VoiceMaker, play_voice

KINDS = ("recordings", "codec", "speech", "preset")


class Spoken(NamedTuple):
    """One sound of the model.

    Attributes:
        path: the file. text: what it should say. voice: with which voice.
    """

    path: Path
    text: str
    voice: str


def recordings(folder: Path) -> dict[str, list[tuple[Path, str]]]:
    """Speaker -> sounds with their texts, in the order of the list."""
    found = {}
    for listed in sorted(folder.glob("*/metadata.jsonl")):
        rows = [json.loads(line) for line in listed.read_text(encoding="utf-8").splitlines()]
        found[listed.parent.name] = [(listed.parent / row["file_name"], row["text"]) for row in rows]
    if len(found) < 2:
        raise SystemExit(f"{folder} has {len(found)} SPEAKER/metadata.jsonl; at least two speakers are compared")
    return found


class RoundTrip:
    """Makes voices and speaks with them.

    Args:
        arguments: of the command line.
    """

    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments
        source = without_nickname(arguments.model)
        self.model = BarkModel.from_pretrained(source).eval()
        self.processor = BarkProcessor.from_pretrained(source)
        self.maker = VoiceMaker(arguments.model)

    def of_speaker(self, speaker: str, rows: list[tuple[Path, str]]) -> dict[str, list[Spoken]]:
        """The voices' sounds by the codec, and what the model says with the voices and with the preset."""
        n_voices, n_sentences = self.arguments.voices, self.arguments.sentences
        folder = self.arguments.out / speaker
        folder.mkdir(parents=True, exist_ok=True)
        texts = [text for _, text in rows[n_voices : n_voices + n_sentences]]
        found: dict[str, list[Spoken]] = {"codec": [], "speech": [], "preset": []}
        for wav, text in rows[:n_voices]:
            made = self.maker.make(wav, text=text)
            made.voice.save(folder / f"{wav.stem}.npz")
            sound = play_voice(made.voice, self.model.codec_model, self.model.generation_config)
            found["codec"].append(Spoken(sound.save(folder / f"codec-{wav.stem}.wav")[0], text, wav.stem))
            found["speech"] += self.speak(texts, made.voice, wav.stem, folder)
            print(f"{speaker}: voice of {wav.name}, {made.voice.seconds:.2f} s", flush=True)
        if speaker in self.processor.available_voice_presets:
            found["preset"] += self.speak(texts, self.processor.voice(speaker), "preset", folder)
        return found

    def speak(self, texts: list[str], voice: VoicePrompt, name: str, folder: Path) -> Iterator[Spoken]:
        """One sound per text; texts for which the model ends at once have none."""
        for at in range(0, len(texts), self.arguments.batch_size):
            part = texts[at : at + self.arguments.batch_size]
            seeds = [self.arguments.seed + at + number for number in range(len(part))]
            inputs = self.processor(part, voice_preset=voice)
            out = self.model.generate(**inputs, seed=seeds, max_duration_s=10.0, return_dict_in_generate=True)
            for number, text in enumerate(part):
                if int(out.audio_lengths[number]):
                    [path] = out.save(folder / f"speech-{name}-{at + number:03d}.wav", index=number)
                    yield Spoken(path, text, name)


def embedded(paths: list[Path], encoder: ResemblyzerEncoder) -> list[Embedded]:
    """Every sound in which there is speech as a vector."""
    vectors = [(path, encoder.embed(*read_sound(path))) for path in paths]
    return [Embedded(vector, str(path)) for path, vector in vectors if vector is not None]


def compared(clips: dict[str, list[Embedded]], references: dict[str, list[Embedded]]) -> dict[str, dict[str, Any]]:
    """By speaker: mean cosine to the own and to the other speakers, and how often the own one is nearest."""
    found = {}
    for speaker, own in clips.items():
        if not own:
            continue
        rows = [{name: cosine(clip, reference) for name, reference in references.items()} for clip in own]
        others = [max(value for name, value in row.items() if name != speaker) for row in rows]
        same = [row[speaker] for row in rows]
        found[speaker] = {
            "n": len(rows),
            "own": sum(same) / len(same),
            "other": sum(others) / len(others),
            "own_is_nearer": sum(a > b for a, b in zip(same, others, strict=True)) / len(same),
            "least_own": min(same),
        }
    return found


def table(results: dict[str, Any]) -> str:
    """Markdown: a line per kind of clip and speaker."""
    lines = [
        "| clips | speaker | n | like the own recordings (least) | like the other's | nearer to the own |",
        "|---|---|---|---|---|---|",
    ]
    for kind in KINDS:
        for speaker, found in results[kind].items():
            lines.append(
                f"| {kind} | {speaker} | {found['n']} | {found['own']:.2f} ({found['least_own']:.2f}) | "
                f"{found['other']:.2f} | {found['own_is_nearer']:.0%} |"
            )
    if "words" in results:
        lines += ["", "| voice of | recording | word error rate [95 %] |", "|---|---|---|"]
    for speaker, voices in results.get("words", {}).items():
        for voice, rate in voices.items():
            lines.append(f"| {speaker} | {voice} | {rate['value']:.1%} [{rate['low']:.1%} to {rate['high']:.1%}] |")
    return "\n".join(lines)


def heard(clips: list[Spoken], recogniser: Recogniser) -> dict[str, Any]:
    """Word error rate of each voice and of all made voices together."""
    edits: dict[str, list[Edits]] = {}
    for clip in clips:
        edits.setdefault(clip.voice, []).append(count_edits(clip.text, recogniser.transcribe(clip.path)))
    edits["all made"] = [item for voice, items in edits.items() if voice != "preset" for item in items]
    return {name: word_error_rate(items)._asdict() for name, items in edits.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="demo", help="folder, name on the Hub, or demo")
    parser.add_argument("--voices", type=int, default=5, help="recordings of each speaker that become voices")
    parser.add_argument("--sentences", type=int, default=10, help="texts that each voice says")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--recogniser", help="for word error rates: faster-whisper:MODEL or transformers:MODEL")
    arguments = parser.parse_args()

    speakers, used = recordings(arguments.recordings), arguments.voices + arguments.sentences
    if (least := min(len(rows) for rows in speakers.values())) < used + 2:
        parser.error(f"a speaker has {least} recordings; voices and sentences take {used}, two are compared with")
    trip, encoder = RoundTrip(arguments), ResemblyzerEncoder()
    made = {speaker: trip.of_speaker(speaker, rows) for speaker, rows in speakers.items()}
    references = {speaker: embedded([wav for wav, _ in rows[used:]], encoder) for speaker, rows in speakers.items()}
    results: dict[str, Any] = {"settings": {name: str(value) for name, value in vars(arguments).items()}}
    for kind in KINDS:
        results[kind] = compared(
            references
            if kind == "recordings"
            else {name: embedded([clip.path for clip in found[kind]], encoder) for name, found in made.items()},
            references,
        )
    if arguments.recogniser is not None:
        ear = load_recogniser(arguments.recogniser)
        results["words"] = {name: heard(found["speech"] + found["preset"], ear) for name, found in made.items()}
    (arguments.out / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
