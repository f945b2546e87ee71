"""The demo's detector: the demo checkpoint's speech against the synthesiser that it was trained on.

    python recipes/demo/detector.py OUT [--model demo] [--detector src/bark_hf/demo/detector]
        [--plot docs/images/detector.png] [--plot-networks docs/images/detector_networks.png]

OUT is the folder of make.py. Real: the test sentences as flite speaks them (OUT/test). Generated: the same sentences,
spoken by the checkpoint into OUT/detector/CHECKPOINT/generated; a killed run goes on where it stopped, and another
checkpoint has another folder. A sentence is never in training and test. Five minutes on one core.

Two controls are in the detector's report. The synthesiser's recordings go through the codec alone: what of them is
called generated was found by the codec's sound and by nothing that the three networks do. And a second detector, which
is not kept, is trained with these coded recordings as the real ones: it has nothing but the networks to go by.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from bark_hf import BarkModel, BarkProcessor
from bark_hf.audio import clip, encode, write_file
from bark_hf.demo import without_nickname
from bark_hf.detection import plot_evaluation, train_detector
from bark_hf.evaluation.sounds import at_rate, read_sound
from bark_hf.longform.settings import model_digest

DETECTOR = Path(__file__).parents[2] / "src/bark_hf/demo/detector"


def sentences(folder: Path) -> list[tuple[str, str]]:
    """File name and text of each recording of one voice."""
    lines = (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [(row["file_name"], row["text"]) for row in rows]


def speak(model: BarkModel, processor: BarkProcessor, voice: str, source: Path, target: Path, batch_size: int) -> None:
    """The texts of `source` into files of the same names in `target`, as far as they are not there."""
    target.mkdir(parents=True, exist_ok=True)
    rows = [(seed, *row) for seed, row in enumerate(sentences(source))]
    left = [row for row in rows if not (target / row[1]).is_file()]
    for at in range(0, len(left), batch_size):
        part = left[at : at + batch_size]
        inputs = processor([text for _, _, text in part], voice_preset=voice)
        out = model.generate(**inputs, seed=[row[0] for row in part], max_duration_s=10.0, return_dict_in_generate=True)
        for number, (_, name, _) in enumerate(part):
            audio = clip(out.waveform(number).float().numpy())[0]
            if audio.size:
                write_file(target / name, encode(audio, out.sampling_rate))
        print(f"{voice}: {at + len(part)} of {len(left)} sentences", flush=True)


@torch.inference_mode()
def through_codec(model: BarkModel, source: Path, target: Path) -> None:
    """Recordings of one voice, coded and decoded, into files of the same names, as far as they are not there."""
    target.mkdir(parents=True, exist_ok=True)
    codec, rate = model.codec_model, model.config.codec_config.sampling_rate
    for name, _ in sentences(source):
        if not (target / name).is_file():
            sound = torch.from_numpy(at_rate(*read_sound(source / name), rate))
            codes = codec.encode(sound[None, None]).audio_codes
            decoded = codec.decode(codes, [None]).audio_values[0, 0].numpy()
            write_file(target / name, encode(clip(decoded)[0], rate))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--detector", type=Path, default=DETECTOR)
    parser.add_argument("--plot", type=Path, help="picture of precision and recall")
    parser.add_argument("--plot-networks", type=Path, help="the same of the second detector")
    parser.add_argument("--batch-size", type=int, default=10)
    args = parser.parse_args()

    source = without_nickname(args.model)
    model = BarkModel.from_pretrained(source, dtype=torch.float32).eval()
    processor = BarkProcessor.from_pretrained(source)
    real, made = args.out / "test", args.out / "detector" / model_digest(model)
    generated, coded = made / "generated", made / "coded"
    voices = [voice for voice in processor.available_voice_presets if (real / voice).is_dir()]
    for voice in voices:
        speak(model, processor, voice, real / voice, generated / voice, args.batch_size)
        through_codec(model, real / voice, coded / voice)

    trained, by_networks = train_detector(real, generated), train_detector(coded, generated)
    called = [trained.detector.probability_of_file(path) >= 0.5 for path in sorted(coded.glob("*/*.wav"))]
    trained.detector.report["through_codec_called_generated"] = float(np.mean(called))
    trained.detector.report["against_coded_recordings"] = by_networks.detector.report["held_out"]
    trained.detector.save_pretrained(args.detector)
    if args.plot is not None:
        plot_evaluation(trained.labels, trained.probabilities, args.plot)
    if args.plot_networks is not None:
        plot_evaluation(by_networks.labels, by_networks.probabilities, args.plot_networks)
    print(json.dumps(trained.detector.report, indent=2))
    print("\n".join(trained.refused))
    size = sum(path.stat().st_size for path in args.detector.iterdir())
    print(f"{args.detector}: {size} bytes")


if __name__ == "__main__":
    main()
