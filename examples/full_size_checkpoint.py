"""Build a full-size Bark checkpoint with random weights, exactly as the Hub lays it out, and send a text through it.

    python examples/full_size_checkpoint.py OUT [--voices FOLDER] [--size small|large] [--seconds 3]

What for: to try installations, tools and speed where `suno/bark-small` cannot be downloaded. The sound is noise, since
the weights are random; sizes, file formats, names, times and lengths are the real ones:

* `pytorch_model.bin` with the old weight-norm names, causal-mask buffers and tied heads written twice,
* `config.json` and `generation_config.json` with the options that old Transformers versions dumped into them,
* a cased WordPiece tokenizer of 119,547 entries that spells every script of Bark's 13 languages letter by letter,
* voices as `.npy` files with `speaker_embeddings_path.json`; `--voices` takes a folder of `NAME.npz` and `v2/NAME.npz`.

Then one text with one voice goes through `AutoProcessor` + `AutoModel`, through `pipeline` and through `bark-hf say`,
and the length of each waveform is checked against the rule: S semantic tokens make 320 * floor(S * 75 / 49.9) samples.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
from transformers import AutoModel, AutoProcessor, BertTokenizer, pipeline

import bark_hf
from bark_hf import BarkConfig, BarkGenerationConfig, BarkModel, BarkProcessor, VoicePrompt
from bark_hf.tokens import CoarseRules, max_tokens_for_duration

TEXT = "Hello, my name is Suno. And, uh, and I like pizza. [laughs]"
SIZES = {
    "small": {"num_layers": 12, "num_heads": 12, "hidden_size": 768, "bias": False},
    "large": {"num_layers": 24, "num_heads": 16, "hidden_size": 1024, "bias": False},
}
# What Transformers 4.31 wrote into each nested config besides Bark's own fields (an excerpt of the dozens).
INHERITED = {
    "_name_or_path": "", "add_cross_attention": False, "architectures": None, "bad_words_ids": None,
    "chunk_size_feed_forward": 0, "diversity_penalty": 0.0, "encoder_no_repeat_ngram_size": 0, "finetuning_task": None,
    "id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "is_decoder": False, "is_encoder_decoder": False,
    "label2id": {"LABEL_0": 0, "LABEL_1": 1}, "length_penalty": 1.0, "max_length": 20, "min_length": 0,
    "no_repeat_ngram_size": 0, "num_beam_groups": 1, "num_beams": 1, "num_return_sequences": 1,
    "output_attentions": False, "output_hidden_states": False, "output_scores": False, "pruned_heads": {},
    "repetition_penalty": 1.0, "return_dict": True, "temperature": 1.0, "tf_legacy_loss": False,
    "tokenizer_class": None, "top_k": 50, "top_p": 1.0, "torchscript": False, "typical_p": 1.0, "use_bfloat16": False,
}  # fmt: skip
GENERATION_KEYS = ("diversity_penalty", "length_penalty", "max_length", "num_beams", "repetition_penalty", "typical_p")


def write_model(folder: Path, size: str) -> None:
    """config.json, generation_config.json and pytorch_model.bin in the Hub's old form."""
    torch.manual_seed(0)
    network = SIZES[size]
    model = BarkModel(
        BarkConfig(semantic_config=network, coarse_acoustics_config=network, fine_acoustics_config=network)
    )
    for name, buffer in model.codec_model.named_buffers():
        if name.endswith("embed"):
            buffer.normal_()
    state = {}
    for name, tensor in model.state_dict().items():
        name = name.replace("parametrizations.weight.original0", "weight_g")
        state[name.replace("parametrizations.weight.original1", "weight_v")] = tensor
    mask = torch.ones(1024, 1024, dtype=torch.bool).tril().view(1, 1, 1024, 1024)
    for stage in ("semantic", "coarse_acoustics"):
        state |= {f"{stage}.layers.{n}.attn.bias": mask for n in range(network["num_layers"])}
    torch.save(state, folder / "pytorch_model.bin")

    config = model.config.to_dict() | {"architectures": ["BarkModel"], "torch_dtype": "float32"}
    for key in ("semantic_config", "coarse_acoustics_config", "fine_acoustics_config"):
        config[key] = INHERITED | config[key]
    (folder / "config.json").write_text(json.dumps(config, indent=2, default=str))

    generation = BarkGenerationConfig().to_dict()
    dumped = {key: INHERITED[key] for key in GENERATION_KEYS}
    for key in ("semantic_config", "coarse_acoustics_config", "fine_acoustics_config"):
        generation[key] = dumped | generation[key]
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2))


def letter_tokenizer(folder: Path, size: int = 119_547) -> BertTokenizer:
    """A cased WordPiece tokenizer over letters, with BERT multilingual's special ids and number of entries."""
    ranges = [(33, 127), (160, 880), (1024, 1280), (2304, 2432), (12288, 12544), (19968, 40960), (44032, 55204)]
    letters = [chr(code) for first, stop in ranges for code in range(first, stop)]
    special = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
    entries = [special.get(i, f"[unused{i}]") for i in range(104)] + letters + ["##" + letter for letter in letters]
    entries += [f"[unused{i}]" for i in range(104, 104 + size - len(entries))]
    (folder / "vocab.txt").write_text("\n".join(entries) + "\n", encoding="utf-8")
    return BertTokenizer(vocab=str(folder / "vocab.txt"), do_lower_case=False, strip_accents=False)


def read_voices(folder: Path | None) -> dict[str, VoicePrompt]:
    """Voices of a folder by name (`v2/en_speaker_6`), or one invented voice."""
    if folder is None:
        rng = np.random.default_rng(0)
        fine = rng.integers(0, 1024, (8, 450))
        return {"v2/en_speaker_6": VoicePrompt(rng.integers(0, 10_000, 300), fine[:2], fine)}
    files = sorted(folder.rglob("*.npz"))
    return {file.relative_to(folder).with_suffix("").as_posix(): VoicePrompt.load(file) for file in files}


def build(folder: Path, size: str = "small", voices: Path | None = None) -> None:
    """Write the whole checkpoint into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_model(folder, size)
    processor = BarkProcessor(letter_tokenizer(folder))
    for name, voice in read_voices(voices).items():
        processor.add_voice(name, voice)
    processor.save_pretrained(folder)
    print(f"{folder}: {sum(f.stat().st_size for f in folder.rglob('*') if f.is_file()) / 1e9:.2f} GB")


def speak(folder: Path, voice: str, seconds: float) -> None:
    """The same text and voice by three roads; every waveform must have the length that the duration gives."""
    n_tokens = max_tokens_for_duration(seconds)
    expected = 320 * CoarseRules().n_steps(n_tokens) // 2
    options = {"max_duration_s": seconds, "min_eos_p": None, "seed": 0}
    options["semantic_logits_processor"] = never_end  # random weights could draw EOS at any time

    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder)
    assert isinstance(model, bark_hf.BarkModel)
    started = time.perf_counter()
    audio = model.generate(**processor(TEXT, voice_preset=voice), **options)
    report("AutoProcessor + AutoModel", audio.shape[1], expected, time.perf_counter() - started)
    soundfile.write(folder / "auto.wav", audio[0].numpy(), model.sampling_rate)
    del model

    speaker = pipeline("text-to-speech", model=str(folder))
    started = time.perf_counter()
    result = speaker(TEXT, preprocess_params={"voice_preset": voice}, generate_kwargs=options)
    report("pipeline", result["audio"].shape[-1], expected, time.perf_counter() - started)
    assert np.array_equal(result["audio"], audio[0].numpy()), "the pipeline's audio differs"
    del speaker

    wav = folder / "say.wav"
    command = ["say", TEXT, "--model", str(folder), "--voice", voice, "--max-duration", str(seconds), "--json"]
    run = subprocess.run(
        [sys.executable, "-m", "bark_hf_cli", *command, "--seed", "0", "-o", str(wav)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    statistics = json.loads(run.stdout)
    samples = soundfile.info(wav).frames
    print(f"bark-hf say: {samples} samples, real-time factor {statistics['rtf']:.2f}")
    assert samples == statistics["samples"] == 320 * statistics["tokens"]["coarse"] // 2
    assert samples <= expected


def never_end(input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """A logits processor that forbids EOS."""
    scores[:, 10_000] = -torch.inf
    return scores


def report(road: str, samples: int, expected: int, wall: float) -> None:
    print(f"{road}: {samples} samples (expected {expected}), real-time factor {wall / (samples / 24_000):.2f}")
    assert samples == expected, f"{road} gave {samples} samples instead of {expected}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--voices", type=Path, help="folder of voices (.npz)")
    parser.add_argument("--voice", default="v2/en_speaker_6", help="which of them speaks")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds of audio to make by each road")
    parser.add_argument("--build-only", action="store_true")
    arguments = parser.parse_args()
    build(arguments.output, arguments.size, arguments.voices)
    if not arguments.build_only:
        speak(arguments.output, arguments.voice, arguments.seconds)


if __name__ == "__main__":
    main()
