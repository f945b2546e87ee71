"""Preparation: rows against samples and codes made by hand, a reason for every bad clip, kills and full disks."""

from __future__ import annotations

import io
import json
import math
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch
from datasets import Audio, ClassLabel, Dataset, DatasetDict
from tiny import tiny_config, tiny_tokenizer
from transformers import EncodecModel
from typer.testing import CliRunner

from bark_hf import BarkModel
from bark_hf.cli import app
from bark_hf.semantic_tokenizer import FrameNetworkConfig, FrameNetworkTokenizer
from bark_hf.training.dataset import FEATURES, load_prepared
from bark_hf.training.prepare import ClipRules, SourceOptions, prepare
from bark_hf.training.prepare import encoding as encoding_module
from bark_hf.training.prepare.encoding import fitted, load_codec
from bark_hf.training.prepare.sound import frame_levels_db, level_db, levelled, read_sound, resample, speech_span

RATE = 24_000
TEXT = "hello world this"  # 16 characters: 3 to 30 per second for 0.6 s to 5 s


class LevelTokenizer:
    """50 tokens per second, each the level of its 20 ms in -dB: they tell which samples were seen."""

    rate_hz = 50.0
    vocab_size = 100
    kill_at: int | None = None  # the call at which the process is killed

    def __init__(self):
        self.calls = 0

    def encode(self, audio, sampling_rate):
        self.calls += 1
        if self.calls == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        size = sampling_rate // 50
        frames = np.asarray(audio)[: len(audio) // size * size].reshape(-1, size).astype(np.float64)
        levels = 10 * np.log10(np.maximum((frames**2).mean(axis=1), 1e-10))
        return torch.from_numpy(np.clip(-levels, 0, 99).astype(np.int64))


def noise(seconds, rate=RATE, level=0.1, seed=0):
    return np.random.default_rng(seed).uniform(-level, level, round(seconds * rate)).astype(np.float32)


def silence(seconds, rate=RATE):
    return np.zeros(round(seconds * rate), np.float32)


def write_folder(folder, clips, metadata="jsonl"):
    """A folder of clips: name -> (samples [n] or [n, channels], rate, further columns)."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, (samples, rate, columns) in clips.items():
        if samples is not None:
            soundfile.write(folder / f"{name}.wav", samples, rate, subtype="FLOAT")
        rows.append({"file_name": f"{name}.wav", "text": TEXT} | columns)
    if metadata == "jsonl":
        (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def some_clips(n, seconds=0.6):
    return {f"clip{i}": (noise(seconds, seed=i, level=0.05 + 0.01 * i), RATE, {}) for i in range(n)}


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    """A tiny EnCodec with the bandwidths of the real one, of which the default gives 2 codebooks."""
    torch.manual_seed(0)
    model = EncodecModel(tiny_config(target_bandwidths=[1.5, 6.0]).codec_config).eval()
    for name, buffer in model.named_buffers():
        if name.endswith(("embed", "embed_avg")):
            buffer.normal_()
    folder = tmp_path_factory.mktemp("codec")
    model.save_pretrained(folder)
    return folder


def run(source, out, codec, **options):
    return prepare(source, out, codec=codec, semantic_tokenizer=LevelTokenizer(), **options)


def rows_of(folder):
    return load_prepared(folder).to_list()


# one clip, by hand


def test_a_row_is_what_codec_and_tokenizer_make_of_the_samples_made_by_hand(tmp_path, codec):
    """16 kHz stereo with silence around it; everything between the file and the codes is repeated here."""
    speech = noise(1.0, 16_000)
    channels = np.concatenate([silence(0.5, 16_000), speech, silence(0.3, 16_000)])
    stereo = np.stack([channels * 1.5, channels * 0.5], axis=1)  # mean: channels
    text = "  hello   world\tthis "
    source = write_folder(tmp_path / "in", {"a": (stereo, 16_000, {"text": text, "speaker": "ann"})})
    report = run(source, tmp_path / "out", codec)

    sound = soxr.resample(channels, 16_000, RATE)
    assert sound.shape == (43_200,)
    sound = sound[round(0.38 * RATE) : round(1.62 * RATE)]
    # The filter's ringing reaches into the 10 ms beside the speech, but no further; the rest is the margin of 0.1 s,
    # widened to borders of the 20 ms tokens.
    row = rows_of(tmp_path / "out")[0]
    gain = 10 ** (-23 / 20) / np.sqrt((sound.astype(np.float64) ** 2).mean())
    sound = sound * np.float32(gain)
    model = EncodecModel.from_pretrained(codec)
    codes = model.encode(torch.from_numpy(sound)[None, None], bandwidth=6.0).audio_codes[0, 0]  # [8, T]
    assert row["codes"] == codes[:, : len(row["codes"][0])].tolist()
    assert len(row["codes"]) == 8
    assert row["semantic"] == LevelTokenizer().encode(sound, RATE).tolist()
    assert len(row["semantic"]) == 62
    assert len(row["codes"][0]) == 93
    assert row["seconds"] == pytest.approx(93 / 75)
    assert (row["id"], row["text"], row["speaker"], row["language"]) == ("a", TEXT, "ann", "en")
    assert report.notes == {"mixed_to_mono": 1, "resampled": 1}
    assert load_prepared(tmp_path / "out").features == FEATURES


def test_own_semantic_tokens_are_cut_with_the_silence(tmp_path, codec):
    """Token i is i, so the row says which were kept: silence up to 0.5 s, less the margin of 0.1 s, is 20 tokens."""
    sound = np.concatenate([silence(0.5), noise(1.0), silence(0.5)])
    clips = {"a": (sound, RATE, {"semantic": list(range(100))})}
    source = write_folder(tmp_path / "in", clips)
    prepare(source, tmp_path / "out", codec=codec, rules=ClipRules(semantic_rate_hz=50.0))
    row = rows_of(tmp_path / "out")[0]
    assert row["semantic"] == list(range(20, 80))
    assert len(row["codes"][0]) == 90
    prepare(source, tmp_path / "whole", codec=codec, rules=ClipRules(semantic_rate_hz=50.0, trim=False))
    assert rows_of(tmp_path / "whole")[0]["semantic"] == list(range(100))


def test_a_tokenizer_from_its_folder(tmp_path, codec):
    """Samples that need no processing: the tokens are those of the network itself."""
    torch.manual_seed(0)
    network = FrameNetworkTokenizer(FrameNetworkConfig(vocab_size=50, hidden_size=8, num_layers=1)).eval()
    network.save_pretrained(tmp_path / "tokenizer")
    source = write_folder(tmp_path / "in", some_clips(1, seconds=1.0))
    rules = ClipRules(trim=False, loudness_db=None)
    prepare(source, tmp_path / "out", codec=codec, semantic_tokenizer=tmp_path / "tokenizer", rules=rules)
    row = rows_of(tmp_path / "out")[0]
    assert row["semantic"] == network.encode(some_clips(1, seconds=1.0)["clip0"][0], RATE).tolist()
    assert len(set(row["semantic"])) > 1
    assert (len(row["semantic"]), len(row["codes"][0])) == (50, 75)


def test_rates_come_from_the_checkpoint(tmp_path, checkpoint):
    """Bark's 49.9 tokens per second: 2 s are 99.8 tokens, 150 frames; the codec is the checkpoint's own."""
    clips = {"a": (noise(2.0), RATE, {"semantic": [9_999] * 100})}
    prepare(write_folder(tmp_path / "in", clips), tmp_path / "out", model=checkpoint)
    row = rows_of(tmp_path / "out")[0]
    assert len(row["semantic"]) == 100
    assert len(row["codes"][0]) == round(100 * 75 / 49.9) == 150
    model = BarkModel.from_pretrained(checkpoint).codec_model
    taken = load_codec(str(checkpoint)).state_dict()
    assert all(torch.equal(taken[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(("n_tokens", "n_frames"), [(100, 150), (100, 149), (100, 160), (3, 4), (1, 1), (0, 5), (5, 0)])
@pytest.mark.parametrize("frames_per_token", [1.5, 75 / 49.9, 2.0])
def test_lengths_fit_and_lose_as_little_as_possible(n_tokens, n_frames, frames_per_token):
    semantic, codes = fitted(np.arange(n_tokens), np.zeros((2, n_frames)), frames_per_token)
    best = max(n for n in range(n_tokens + 1) if round(n * frames_per_token) <= n_frames)
    assert semantic.tolist() == list(range(best))
    assert codes.shape == (2, round(best * frames_per_token))


# sound


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_a_tone_keeps_length_and_pitch_when_resampled(rate):
    times = np.arange(rate) / rate
    out = resample(np.sin(2 * np.pi * 440 * times).astype(np.float32), rate, RATE)
    assert abs(out.shape[0] - RATE) <= 1
    expected = np.sin(2 * np.pi * 440 * np.arange(out.shape[0]) / RATE)
    np.testing.assert_allclose(out[500:-500], expected[500:-500], atol=2e-3)


def test_the_span_of_speech_against_a_loop():
    """Random pieces of 10 ms at random levels, some silent; the loop looks at each piece by itself."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        pieces = [noise(0.01, level=10 ** (-rng.uniform(0, 80) / 20), seed=i) for i in range(rng.integers(1, 30))]
        sound = np.concatenate(pieces)[: -int(rng.integers(1, 100))]
        pieces = [sound[i : i + 240] for i in range(0, len(sound), 240)]
        levels = [20 * math.log10(math.sqrt(sum(float(x) ** 2 for x in piece) / len(piece))) for piece in pieces]
        np.testing.assert_allclose(frame_levels_db(sound, RATE), levels, atol=1e-6)
        loud = [i for i, level in enumerate(levels) if level > max(levels) - 30]
        start, end = speech_span(sound, RATE, 30, 0.025)
        assert start == pytest.approx(max(loud[0] * 0.01 - 0.025, 0))
        assert end == pytest.approx(min((loud[-1] + 1) * 0.01 + 0.025, len(sound) / RATE))


def test_loudness_and_peak():
    sound = noise(1.0, level=0.9)
    assert 20 * math.log10(float(np.sqrt(np.mean(levelled(sound, -23, -1) ** 2)))) == pytest.approx(-23, abs=0.01)
    sound[100] = 1.0
    quiet = noise(1.0, level=0.01)
    quiet[100] = 0.5
    assert np.abs(levelled(quiet, -20, -1)).max() == pytest.approx(10 ** (-1 / 20), rel=1e-5)
    square = np.where(np.arange(1000) % 2, 0.5, -0.5).astype(np.float32)
    assert level_db(square) == pytest.approx(20 * math.log10(0.5))


def test_levels_of_prepared_clips(tmp_path, codec, monkeypatch):
    """What the codec is given: all clips at -23 dB, or as they were with loudness_db=None."""
    seen = []
    encode = encoding_module.Encoder.codes
    monkeypatch.setattr(encoding_module.Encoder, "codes", lambda self, x: seen.append(x) or encode(self, x))
    source = write_folder(tmp_path / "in", some_clips(3))
    run(source, tmp_path / "out", codec)
    assert [20 * math.log10(np.sqrt(np.mean(x**2))) for x in seen] == pytest.approx([-23] * 3, abs=0.1)
    seen.clear()
    run(source, tmp_path / "raw", codec, rules=ClipRules(loudness_db=None, trim=False))
    for sound, (samples, _, _) in zip(seen, some_clips(3).values(), strict=True):
        np.testing.assert_array_equal(sound, samples)


def test_full_scale_is_counted_in_any_channel():
    stereo = np.zeros((100, 2), np.float32)
    stereo[:5, 0], stereo[90:, 1] = 1.0, -1.0
    buffer = io.BytesIO()
    soundfile.write(buffer, stereo, RATE, format="WAV", subtype="PCM_16")
    recording = read_sound(buffer.getvalue())
    assert recording.clipped == pytest.approx(0.15)
    assert (recording.n_channels, recording.seconds) == (2, 100 / RATE)


# what is refused, and why


BAD = {
    "missing_file": (None, RATE, {}),
    "no_text": (noise(1), RATE, {"text": " \t "}),
    "broken_text": (noise(1), RATE, {"text": "hello world \ud800 this"}),
    "long_text": (noise(14), RATE, {"text": "x." * 130}),
    "too_short": (noise(0.1), RATE, {}),
    "too_long": (noise(16, 8000), 8000, {"text": TEXT * 5}),
    "silent": (noise(1, level=0.0005), RATE, {}),
    "clipped": (noise(1, level=3).clip(-1, 1), RATE, {}),
    "not_finite": (np.where(np.arange(RATE) == 7, np.nan, noise(1)), RATE, {}),
    "low_rate": (noise(1, 4000), 4000, {}),
    "fast_speech": (noise(0.6), RATE, {"text": TEXT * 2}),
    "slow_speech": (noise(3), RATE, {"text": "hello"}),
    "semantic_length": (noise(1), RATE, {"semantic": [1] * 80}),
    "semantic_range": (noise(1), RATE, {"semantic": [10_000] * 50}),
    "duplicate_id": (noise(1), RATE, {"id": "good"}),
}


def test_each_bad_clip_is_refused_with_reason_value_and_limit(tmp_path, codec, capsys):
    clips = {"good": (noise(1), RATE, {"id": "good"})} | {
        name: (samples, rate, {"id": name} | columns) for name, (samples, rate, columns) in BAD.items()
    }
    source = write_folder(tmp_path / "in", clips)
    (source / "broken.wav").write_bytes(b"RIFF, but not really")
    (source / "empty.wav").write_bytes(b"")
    with (source / "metadata.jsonl").open("a") as file:
        for name in ("broken", "empty"):
            file.write(json.dumps({"file_name": f"{name}.wav", "text": TEXT, "id": name}) + "\n")
        file.write(json.dumps({"file_name": "good.wav", "id": "null text"}) + "\n")
    tokenizer = tmp_path / "text"
    tiny_tokenizer(tokenizer).save_pretrained(tokenizer)
    report = run(source, tmp_path / "out", codec, tokenizer=tokenizer)

    assert [row["id"] for row in rows_of(tmp_path / "out")] == ["good"]
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    found = {(entry["reason"], Path(entry["file"]).stem) for entry in written["refused"]}
    expected = {(name, name) for name in BAD} | {("unreadable", "broken"), ("unreadable", "empty")}
    assert found == expected | {("no_text", "good")}
    assert written["clips"] + written["refused_clips"] == len(BAD) + 4
    values = {entry["reason"]: (entry["value"], entry["limit"]) for entry in written["refused"]}
    assert values["too_short"] == ("0.10 s", "0.5 s")
    assert values["too_long"] == ("16.00 s", "15 s")
    assert values["low_rate"] == ("4000 Hz", "8000 Hz")
    assert values["long_text"] == ("260 tokens", "1 to 256 tokens")
    assert values["fast_speech"] == ("53.3 characters/s", "30")
    assert values["semantic_range"] == ("10000..10000", "0..9999")
    assert report.to_dict() == json.loads(json.dumps(report.to_dict())) | {"settings": report.settings}
    assert sum(report.reasons().values()) == len(BAD) + 3
    assert report.table().row_count == len(report.reasons()) + len(report.notes)


def test_ten_minutes_are_refused_by_the_header(tmp_path, codec, monkeypatch):
    clips = {"long": (noise(600, 8000), 8000, {}), "a": (noise(1), RATE, {})}
    source = write_folder(tmp_path / "in", clips)
    read = encoding_module.__package__ + ".processing.read_sound"
    seen = []
    monkeypatch.setattr(read, lambda sound: seen.append(sound) or read_sound(sound))
    report = run(source, tmp_path / "out", codec)
    assert [(entry.reason, entry.value) for entry in report.refused] == [("too_long", "600.00 s")]
    assert [path.name for path in seen] == ["a.wav"]


# ending, going on, several processes


SCRIPT = """
import sys, torch
from test_prepare import LevelTokenizer
from bark_hf.training.prepare import prepare
torch.set_num_threads(1)
LevelTokenizer.kill_at = 8
prepare(sys.argv[1], sys.argv[2], codec=sys.argv[3], semantic_tokenizer=LevelTokenizer(), part_size=3)
"""


def test_a_killed_run_goes_on_and_gives_the_same(tmp_path, codec):
    """SIGKILL while the third part is worked on: the two finished parts are not done again."""
    source = write_folder(tmp_path / "in", some_clips(11))
    command = [sys.executable, "-c", SCRIPT, str(source), str(tmp_path / "out"), str(codec)]
    killed = subprocess.run(command, cwd=Path(__file__).parent, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    tokenizer, steps = LevelTokenizer(), []
    options = {"codec": codec, "part_size": 3}
    resumed = prepare(
        source,
        tmp_path / "out",
        semantic_tokenizer=tokenizer,
        progress=lambda *step: steps.append(step),
        **options,
    )
    assert tokenizer.calls == 5
    assert steps == [(9, 11), (11, 11)]
    whole = prepare(source, tmp_path / "whole", semantic_tokenizer=LevelTokenizer(), **options)
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "whole")
    assert resumed.to_dict() == whole.to_dict()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out", "whole"]


def test_two_processes_give_the_same_as_one(tmp_path, codec):
    clips = some_clips(7) | {"bad": (noise(0.1), RATE, {})}
    source = write_folder(tmp_path / "in", clips)
    one = run(source, tmp_path / "one", codec, part_size=2)
    two = run(source, tmp_path / "two", codec, part_size=2, workers=2)
    assert rows_of(tmp_path / "one") == rows_of(tmp_path / "two")
    assert len(rows_of(tmp_path / "one")) == 7
    assert one.to_dict() == two.to_dict()


def test_what_is_finished_is_not_done_again_and_other_settings_are_refused(tmp_path, codec):
    source, out = write_folder(tmp_path / "in", some_clips(2)), tmp_path / "out"
    first = run(source, out, codec)
    tokenizer = LevelTokenizer()
    again = prepare(source, out, codec=codec, semantic_tokenizer=tokenizer)
    assert tokenizer.calls == 0
    assert again.summary() == first.summary()
    with pytest.raises(ValueError, match=r"made with max_seconds=15\.0, not 12; .*--overwrite"):
        run(source, out, codec, rules=ClipRules(max_seconds=12))
    assert run(source, out, codec, rules=ClipRules(max_seconds=12), overwrite=True).clips == 2
    with (source / "metadata.jsonl").open("a") as file:
        file.write(json.dumps({"file_name": "clip0.wav", "text": TEXT}) + "\n")
    with pytest.raises(ValueError, match="made with sources="):
        run(source, out, codec, rules=ClipRules(max_seconds=12))
    (source / "metadata.csv").write_text("x")
    with pytest.raises(ValueError, match="exists and is no prepared data"):
        run(source, source, codec, overwrite=True)
    assert (source / "clip0.wav").is_file()


def test_a_full_disk_is_one_line_and_the_run_goes_on_later(tmp_path, codec):
    """The limit on a file's size stands for the disk's end: the kernel refuses the write in the same place."""
    source, out = write_folder(tmp_path / "in", some_clips(5, seconds=2.0)), tmp_path / "out"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, limits[1]))  # the manifest fits, rows of a part do not
    try:
        with pytest.raises(OSError, match=r"00000\.arrow can't be written .* make room") as caught:
            run(source, out, codec, part_size=3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    assert not out.exists()
    assert [path.name for path in (tmp_path / "out.partial").iterdir()] == ["manifest.json"]
    assert run(source, out, codec, part_size=3).clips == 5


# sources


def texts_and_ids(folder):
    return [(row["id"], row["text"], row["speaker"], row["language"]) for row in rows_of(folder)]


TABLES = {
    "csv": ("metadata.csv", 'file_name,transcription,speaker_id\nclip0.wav,"hello, world",7\nclip1.wav,hello cat,8\n'),
    "bars": ("metadata.csv", "file_name|text|speaker\nclip0.wav|hello, world|7\nclip1.wav|hello cat|8\n"),
    "tabs": ("metadata.tsv", "path\tsentence\tclient_id\nclip0.wav\thello, world\t7\nclip1.wav\thello cat\t8\n"),
    "semicolons": ("metadata.csv", "\ufefffile_name;text;speaker\nclip0.wav;hello, world;7\nclip1.wav;hello cat;8\n"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_beside_the_sound(tmp_path, codec, name):
    source = write_folder(tmp_path / "in", some_clips(2), metadata=None)
    file, content = TABLES[name]
    (source / file).write_text(content, encoding="utf-8")
    run(source, tmp_path / "out", codec)
    assert texts_and_ids(tmp_path / "out") == [
        ("clip0", "hello, world", "7", "en"),
        ("clip1", "hello cat", "8", "en"),
    ]


def test_ljspeech_layout(tmp_path, codec):
    """No header, ids without an ending, a quotation mark that is never closed."""
    source = tmp_path / "LJSpeech"
    write_folder(source / "wavs", some_clips(2), metadata=None)
    lines = ['clip0|He said "12 cats.|He said "twelve cats.', "clip1|hello|hello world"]
    (source / "metadata.csv").write_text("\n".join(lines) + "\n")
    run(source, tmp_path / "out", codec, rules=ClipRules(max_chars_per_second=100))
    assert texts_and_ids(tmp_path / "out") == [
        ("clip0", 'He said "twelve cats.', "LJSpeech", "en"),
        ("clip1", "hello world", "LJSpeech", "en"),
    ]
    columns = SourceOptions(text_column="written_text", speaker="lj", language="de")
    run(source, tmp_path / "raw", codec, columns=columns, rules=ClipRules(max_chars_per_second=100))
    assert texts_and_ids(tmp_path / "raw")[0] == ("clip0", 'He said "12 cats.', "lj", "de")


def test_datasets_with_bytes_paths_and_labels(tmp_path, codec):
    """The same clips four ways: as files, as Audio bytes in memory, saved to disk in splits, as paths in text."""
    source = write_folder(tmp_path / "in", some_clips(2))
    run(source, tmp_path / "files", codec)
    wanted = [(row["text"], row["codes"], row["semantic"]) for row in rows_of(tmp_path / "files")]
    paths = [str(source / f"clip{i}.wav") for i in range(2)]
    columns = {"sentence": [TEXT] * 2, "speaker": [1, 0]}
    as_bytes = Dataset.from_dict(
        columns | {"recording": [{"bytes": Path(p).read_bytes(), "path": None} for p in paths]}
    )
    as_bytes = as_bytes.cast_column("recording", Audio(sampling_rate=16_000))
    as_bytes = as_bytes.cast_column("speaker", ClassLabel(names=["ann", "bob"]))
    DatasetDict({"train": as_bytes, "test": as_bytes.select([0])}).save_to_disk(str(tmp_path / "saved"))
    as_paths = Dataset.from_dict(columns | {"file": paths})
    for number, place in enumerate((as_bytes, tmp_path / "saved", as_paths)):
        out = tmp_path / f"out{number}"
        run(place, out, codec)
        rows = rows_of(out)
        assert [(row["text"], row["codes"], row["semantic"]) for row in rows] == wanted
        assert [row["speaker"] for row in rows] == (["1", "0"] if place is as_paths else ["bob", "ann"])
        assert [row["id"] for row in rows] == ["row-000000", "row-000001"]
    run(tmp_path / "saved", tmp_path / "test", codec, columns=SourceOptions(split="test"))
    assert len(rows_of(tmp_path / "test")) == 1


def test_several_sources_keep_their_clips_apart(tmp_path, codec):
    ann = write_folder(tmp_path / "ann", some_clips(2))
    bob = write_folder(tmp_path / "bob", some_clips(1))
    run([ann, bob], tmp_path / "out", codec, part_size=2)
    found = [row[0::2] for row in texts_and_ids(tmp_path / "out")]
    assert found == [("ann/clip0", "ann"), ("ann/clip1", "ann"), ("bob/clip0", "bob")]


# faults of the whole, in one line


def make_faults(folder):
    """Source -> words of the message."""
    (folder / "empty").mkdir()
    write_folder(folder / "outer" / "train", some_clips(1))
    contents = {
        "no_rows": ("metadata.jsonl", "", "lists no clips"),
        "no_text": ("metadata.csv", "file_name,speaker\na.wav,ann\n", "no column with the text"),
        "no_sound": ("metadata.csv", "text,speaker\nhello,ann\n", "no column with the sound"),
        "not_json": ("metadata.jsonl", '{"file_name": "a.wav"}\n{"text": \n', "line 2 is not JSON"),
        "not_object": ("metadata.jsonl", "[1]\n", "line 1 is a list"),
        "latin": ("metadata.csv", "file_name,text\na.wav,caf\udce9\n", "not in UTF-8"),
    }
    faults = {folder / "empty": "has no metadata.jsonl", folder / "outer": str(folder / "outer" / "train")}
    for name, (file, content, words) in contents.items():
        (folder / name).mkdir()
        (folder / name / file).write_bytes(content.encode("utf-8", "surrogateescape"))
        faults[folder / name] = words
    Dataset.from_dict({"label": [1]}).save_to_disk(str(folder / "columns"))
    faults[folder / "columns"] = "no column with the text (text, transcription"
    faults[folder / "nowhere"] = "there is no"
    faults["someone/unknown"] = "no dataset that can be had from the Hub"
    return faults


def test_faults_of_a_source_are_one_line(tmp_path, codec):
    for place, words in make_faults(tmp_path).items():
        with pytest.raises(ValueError) as caught:
            run(place, tmp_path / "out", codec)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.partial").exists()


def test_networks_that_do_not_fit_are_refused(tmp_path, codec, checkpoint):
    source, out = write_folder(tmp_path / "in", some_clips(1)), tmp_path / "out"
    with pytest.raises(ValueError, match="no column 'semantic', and there is no semantic tokenizer"):
        prepare(source, out, codec=codec)
    with pytest.raises(ValueError, match=r"no codec; .* --model"):
        prepare(source, out)
    with pytest.raises(ValueError, match="is no codec and no Bark checkpoint"):
        prepare(source, out, codec=source, semantic_tokenizer=LevelTokenizer())
    tokenizer = LevelTokenizer()
    tokenizer.rate_hz = 25.0
    with pytest.raises(
        ValueError, match=r"semantic tokenizer makes 25 tokens per second, but the checkpoint has 49\.9"
    ):
        prepare(source, out, model=checkpoint, semantic_tokenizer=tokenizer)
    tokenizer = LevelTokenizer()
    tokenizer.vocab_size = 10_001
    with pytest.raises(ValueError, match=r"semantic tokenizer has 10001 tokens, but the checkpoint 10000"):
        prepare(source, out, model=checkpoint, semantic_tokenizer=tokenizer)
    other = tmp_path / "other"
    EncodecModel(tiny_config(target_bandwidths=[3.0]).codec_config).save_pretrained(other)
    with pytest.raises(ValueError, match="can give 4 codebooks, but 8 are needed"):
        prepare(source, out, codec=other, semantic_tokenizer=LevelTokenizer())


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"silence_db": -40}, "silence_db=-40 must be from 1 to 120"),
        ({"loudness_db": 23.0}, r"loudness_db=23\.0 must be from -80 to 0"),
        ({"min_seconds": 20}, "min_seconds=20 must be below max_seconds=15"),
    ],
)
def test_rules_have_limits(rules, words):
    with pytest.raises(ValueError, match=words):
        ClipRules(**rules)


# the command

FAST = ("--max-chars-per-second", "100")


def command(*args):
    return CliRunner().invoke(app, ["prepare", *map(str, args)])


def test_the_command_prints_reasons_and_a_summary(tmp_path, codec):
    clips = {"a": (noise(1), RATE, {"semantic": [1] * 50}), "b": (noise(0.2), RATE, {"semantic": [1] * 10})}
    source = write_folder(tmp_path / "in", clips)
    options = ("--codec", codec, "--semantic-rate", "50", "--workers", "1", "--speaker", "ann")
    result = command(source, tmp_path / "out", *options)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert "refused: too short" in result.stdout
    assert "0.20 s (limit 0.5 s)" in " ".join(result.stdout.split())
    assert f"1 of 2 clips, 1.0 s, 1 speaker(s) -> {tmp_path / 'out'}" in result.stdout
    again = command(source, tmp_path / "out", *options, "--json")
    assert json.loads(again.stdout)["speakers"] == {"ann": {"clips": 1, "seconds": 1.0}}
    assert rows_of(tmp_path / "out")[0]["speaker"] == "ann"


def test_the_command_fails_in_one_line(tmp_path, codec):
    clips = {"b": (noise(0.2), RATE, {"semantic": [1] * 10})}
    source = write_folder(tmp_path / "in", clips)
    result = command(source, tmp_path / "out", "--codec", codec, "--workers", "1")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: no clip is left of 1 (1 too_short)")
    assert result.stderr.count("\n") == 1
    report = json.loads((tmp_path / "out.partial" / "report.json").read_text())
    assert report["reasons"] == {"too_short": 1}
    # Other settings, and the same command succeeds: nothing of the failed run is in the way.
    again = command(source, tmp_path / "out", "--codec", codec, "--workers", "1", "--min-seconds", "0.1", *FAST)
    assert again.exit_code == 0, again.output
    result = command(tmp_path / "nowhere", tmp_path / "out", "--codec", codec)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
