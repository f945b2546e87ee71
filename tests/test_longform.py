"""Long reading against a scripted model, whose takes are known: batches, voices, seeds, resuming, retakes, joining."""

from __future__ import annotations

import errno
import json
import re
import time
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from longform_fakes import RATE, TEXT, WORDS, FakeModel, FakeProcessor, sound_of, voice_of

from bark_hf import BarkGenerationConfig, BarkModel, BarkProcessor, VoicePrompt
from bark_hf.evaluation.listening import WordErrorScorer
from bark_hf.longform import (
    Join,
    Pauses,
    PlainScorer,
    Score,
    open_long,
    read_long,
    read_script,
    take_seed,
)
from bark_hf.longform.joining import blocks, places, total_samples
from bark_hf.longform.reader import sources
from bark_hf.longform.takes import Take
from bark_hf.longform.trimming import speech_span
from bark_hf.voices import BARK_RULES


@pytest.fixture
def fake():
    processor = FakeProcessor()
    return FakeModel(processor), processor


def read(fake, text=TEXT, voice=None, **options):
    return read_long(*fake, text, voice, **{"piece_seconds": 1.0, "seed": 7, "trim": False} | options)


def jobs(model):
    return [job for call in model.calls for job in call]


def first_words(model):
    return [[text.split()[0] for text, *_ in call] for call in model.calls]


# --- batches and voices


def test_pieces_are_read_in_batches_under_the_given_voice(fake):
    voice, seen = voice_of(3), []
    result = read(fake, voice=voice, batch_size=2, report=lambda *args: seen.append(args), semantic_temperature=0.5)
    assert first_words(fake[0]) == [WORDS[:2], WORDS[2:4], WORDS[4:]]
    assert all(used is voice for _, used, _ in jobs(fake[0]))
    assert all(keywords == {"semantic_temperature": 0.5} for keywords in fake[0].keywords)
    assert seen == [("pieces", n, 5) for n in (0, 2, 4, 5)]
    assert [segment.text.split()[0] for segment in result.segments] == WORDS
    for index, segment in enumerate(result.segments):
        assert segment.seed == take_seed(7, index)
        assert np.array_equal(segment.audio, sound_of(segment.seed, 9600).numpy())
        assert np.array_equal(segment.semantic_tokens, np.full(20, segment.seed % 10_000))
        assert segment.voice == voice_of_take(segment.seed)


def voice_of_take(seed):
    return VoicePrompt(np.full(20, seed % 10_000), np.full((2, 30), seed % 1024), np.full((8, 30), seed % 1024))


@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("mode", ["fixed", "rolling", "hybrid"])
def test_the_result_does_not_depend_on_batches(fake, batch_size, mode):
    options = {"voice": voice_of(3), "voice_mode": mode, "anchor_every": 2, "candidates": 2}
    expected = read(fake, batch_size=2, **options)
    result = read(fake, batch_size=batch_size, **options)
    assert np.array_equal(result.audio, expected.audio)
    assert max(map(len, fake[0].calls)) <= max(2, batch_size)


def test_the_seed_of_a_take_is_the_documented_one():
    import hashlib

    assert take_seed(7, 2, 1) == int(hashlib.sha256(b"7/2/1").hexdigest()[:8], 16)


def test_without_a_voice_the_first_piece_is_the_voice_of_the_others(fake):
    read(fake, batch_size=4)
    assert first_words(fake[0]) == [WORDS[:1], WORDS[1:]]
    assert jobs(fake[0])[0][1] is None
    assert all(used == voice_of_take(take_seed(7, 0)) for _, used, _ in jobs(fake[0])[1:])


def test_rolling_continues_the_piece_before(fake):
    voice = voice_of(3)
    read(fake, voice=voice, voice_mode="rolling", batch_size=4)
    used = [used for _, used, _ in jobs(fake[0])]
    assert first_words(fake[0]) == [[word] for word in WORDS]
    assert used == [voice, *(voice_of_take(take_seed(7, i)) for i in range(4))]


def test_hybrid_goes_back_to_the_voice_and_reads_its_chains_side_by_side(fake):
    voice = voice_of(3)
    read(fake, voice=voice, voice_mode="hybrid", anchor_every=2, batch_size=4)
    assert first_words(fake[0]) == [["Alpha", "Gamma", "Epsilon"], ["Beta", "Delta"]]
    used = {text.split()[0]: used for text, used, _ in jobs(fake[0])}
    assert used["Alpha"] == used["Gamma"] == used["Epsilon"] == voice
    assert used["Beta"] == voice_of_take(take_seed(7, 0))
    assert used["Delta"] == voice_of_take(take_seed(7, 2))


def test_chains_of_a_dialogue_are_per_speaker():
    assert sources("ABAABA", "rolling", 4) == [None, None, 0, 2, 1, 3]
    assert sources("ABAABA", "hybrid", 2) == [None, None, 0, None, 1, 3]
    assert sources("ABAABA", "fixed", 2) == [None] * 6


def test_a_piece_too_short_to_be_a_voice_is_not_continued():
    processor = FakeProcessor()
    model = FakeModel(processor, lambda text, seed: 1 if "Beta" in text else 20)  # 1 token, 1 frame: no voice
    read((model, processor), voice=voice_of(3), voice_mode="rolling")
    assert jobs(model)[2][1] == voice_of_take(take_seed(7, 0))


# --- takes


def test_a_piece_without_sound_is_tried_again_and_reported_in_the_end():
    processor = FakeProcessor()
    empty_once = take_seed(7, 1, 0)
    model = FakeModel(processor, lambda text, seed: 0 if seed == empty_once or "Delta" in text else 20)
    result = read((model, processor), voice=voice_of(3))
    assert result.segments[1].seed == take_seed(7, 1, 1)
    assert [seed for text, _, seed in jobs(model) if "Delta" in text] == [take_seed(7, 3, n) for n in range(4)]
    assert result.segments[3].faults == ("no sound",)
    assert result.segments[3].seconds == 0
    assert result.samples == 4 * 9600 + 4 * round(0.3 * RATE)


def test_a_first_piece_that_can_be_no_voice_is_refused():
    processor = FakeProcessor()
    model = FakeModel(processor, lambda text, seed: 1)
    with pytest.raises(ValueError, match=r"4 takes of piece 0 .* too short to be a voice"):
        read((model, processor))


class LikesTake:
    """Prefers one take number of each piece."""

    name = "likes"

    def __init__(self, number):
        self.seeds = {take_seed(7, piece, number) for piece in range(9)}

    def score(self, take, language):
        assert language == "en"
        return Score(float(take.seed in self.seeds), ("liked",) if take.seed in self.seeds else ())


def test_the_best_of_several_takes_is_kept(fake):
    result = read(fake, voice=voice_of(3), candidates=3, scorer=LikesTake(2), batch_size=6)
    assert [segment.seed for segment in result.segments] == [take_seed(7, i, 2) for i in range(5)]
    assert [segment.faults for segment in result.segments] == [("liked",)] * 5
    assert [len(call) for call in fake[0].calls] == [6, 6, 3]
    assert read(fake, candidates=3, scorer=LikesTake(9)).segments[0].seed == take_seed(7, 0, 0)


def take(semantic, seconds, text="Some words that take two seconds.", hit_limit=False):  # 33 characters, 2.3 s
    audio = np.zeros(round(seconds * RATE), np.float32)
    return Take(
        text, 0, audio, RATE, np.asarray(semantic), np.zeros((2, 1), int), np.zeros((8, 1), int), BARK_RULES, hit_limit
    )


def test_the_plain_scorer():
    speech = np.random.default_rng(0).integers(0, 10_000, 100)
    phrase = speech[:10]

    def faults(*args, **options):
        return PlainScorer().score(take(*args, **options), "en").faults

    assert faults(speech, 2.3) == ()
    assert faults(speech, 2.3, hit_limit=True) == ("no end",)
    assert faults(np.concatenate([speech, *[phrase] * 4]), 2.3) == ("loop",)
    assert faults(np.concatenate([speech, [5] * 51]), 2.3) == ("run",)
    assert faults(speech, 0.8) == ("too short",)
    assert faults(speech, 5.2) == ("too long",)
    assert faults(speech, 0) == ("no sound",)
    values = [PlainScorer().score(take(speech, seconds), "en").value for seconds in (2.3, 1.5, 1.2)]
    assert values == sorted(values, reverse=True)
    assert PlainScorer().score(take(speech, 9), "en").value < -1 < values[-1]


def test_the_scorer_that_listens():
    heard = SimpleNamespace(transcribe=lambda path: said[soundfile.info(str(path)).frames], name="ears")
    said = {RATE: "some words that take two seconds", 2 * RATE: "some birds", 3 * RATE: ""}
    scorer = WordErrorScorer(heard, weight=3.0)
    plain = PlainScorer()
    for seconds, rate in ((1, 0.0), (2, 5 / 6), (3, 1.0)):
        one = take(np.arange(100), seconds)
        score = scorer.score(one, "en")
        assert score.value == pytest.approx(plain.score(one, "en").value - 3 * rate)
        assert ("WER 0.83" in score.faults) == (seconds == 2)
    assert scorer.score(take(np.arange(100), 1, text="♪ [laughs]"), "en").value <= 0  # nothing to listen for
    pipeline = WordErrorScorer(lambda sound: {"text": "some words that take two seconds"})
    assert pipeline.score(take(np.arange(100), 2.3), "en").faults == ()
    with pytest.raises(TypeError, match="str"):
        WordErrorScorer("whisper")


# --- segments and retakes


def test_a_retake_changes_one_segment_of_a_new_result(fake):
    result = read(fake, voice=voice_of(3))
    again = result.retake(2, seed=99)
    assert [segment.seed for segment in again.segments] == [
        *(take_seed(7, i) for i in (0, 1)),
        99,
        *(take_seed(7, i) for i in (3, 4)),
    ]
    assert np.array_equal(again.segments[2].audio, sound_of(99, 9600).numpy())
    assert result.segments[2].seed == take_seed(7, 2)
    assert np.array_equal(result.segments[2].audio, sound_of(take_seed(7, 2), 9600).numpy())
    start = round(again.segments[2].start * RATE)
    inner = slice(start + 200, start + 9400)  # without the fades
    assert np.array_equal(again.audio[inner], sound_of(99, 9600).numpy()[200:9400])
    assert np.array_equal(again.audio[: start - 1], result.audio[: start - 1])
    seeds = {result.segments[2].seed, result.retake(2).segments[2].seed, again.retake(2).segments[2].seed}
    assert len(seeds) == 3
    for index in (-1, 5):
        with pytest.raises(ValueError, match=f"no segment {index}; there are 0 to 4"):
            result.retake(index)


def test_a_retake_of_a_rolling_voice_says_what_continued_the_old_one(fake):
    result = read(fake, voice=voice_of(3), voice_mode="hybrid", anchor_every=3)  # chains 0-1-2 and 3-4
    with pytest.warns(UserWarning, match="segment 0 is new, but 1 continued"):
        again = result.retake(0, seed=99)
    assert again.stale == [1]
    fake[0].calls.clear()
    whole = result.retake(0, seed=99, followers=True)
    assert whole.stale == []
    assert list(whole.made) == [0, 1, 2]
    assert [(text.split()[0], used) for text, used, _ in jobs(fake[0])] == [
        ("Alpha", voice_of(3)),
        ("Beta", voice_of_take(99)),
        ("Gamma", voice_of_take(take_seed(7, 1))),
    ]


def test_a_retake_of_the_piece_that_gave_the_voice_keeps_the_voice(fake):
    result = read(fake)
    again = result.retake(0, seed=99)
    assert jobs(fake[0])[-1][1] == voice_of_take(take_seed(7, 0))
    assert again.stale == []


# --- kept in a folder


class KilledError(Exception):
    pass


def kill_after(model, n_calls):
    generate, calls = model.generate, []

    def limited(*args, **kwargs):
        if len(calls) == n_calls:
            raise KilledError
        calls.append(1)
        return generate(*args, **kwargs)

    model.generate = limited


@pytest.mark.parametrize("mode", ["fixed", "rolling"])
@pytest.mark.parametrize("voice", [None, voice_of(3)])
def test_a_killed_run_goes_on_where_it_was(fake, tmp_path, mode, voice):
    options = {"voice": voice, "voice_mode": mode, "batch_size": 1, "candidates": 2}
    expected = read(fake, **options)
    n_calls = len(fake[0].calls)

    processor = FakeProcessor()
    model = FakeModel(processor)
    kill_after(model, 5)  # two takes per piece: killed within the third
    with pytest.raises(KilledError):
        read((model, processor), folder=tmp_path / "run", **options)
    assert len(list((tmp_path / "run" / "pieces").glob("*.json"))) == 2

    processor = FakeProcessor()
    model = FakeModel(processor)
    resumed = read((model, processor), folder=tmp_path / "run", **options | {"seed": None})
    assert first_words(model)[0] == ["Gamma"]
    assert len(model.calls) == n_calls - 4
    assert resumed.made == [2, 3, 4]
    assert resumed.seed == 7
    assert np.array_equal(resumed.audio, expected.audio)
    assert [s.to_dict() for s in resumed.segments] == [s.to_dict() for s in expected.segments]


def test_a_folder_opens_without_and_with_the_model(fake, tmp_path):
    result = read(fake, f"{TEXT}\n\n[pause 2s]\n\n* * *", voice_of(3), folder=tmp_path)
    alone = open_long(tmp_path)
    assert np.array_equal(alone.audio, result.audio)
    assert alone.unspoken == ["* * *"]
    assert alone.segments[1].voice == result.segments[1].voice
    with pytest.raises(ValueError, match="opened without a model"):
        alone.retake(0)
    again = open_long(tmp_path, *fake).retake(1, seed=99)
    assert again.segments[1].seed == 99
    assert np.array_equal(open_long(tmp_path).audio, again.audio)
    assert np.array_equal(alone.audio, result.audio)  # the old version is still there
    fake[0].state_dict = lambda: {"weight": torch.zeros(3)}
    with pytest.raises(ValueError, match="made by another model"):
        open_long(tmp_path, *fake)


def test_how_pieces_are_joined_may_change_when_a_run_goes_on(fake, tmp_path):
    read(fake, voice=voice_of(3), folder=tmp_path)
    fake[0].calls.clear()
    wide = read(fake, voice=voice_of(3), folder=tmp_path, pauses=Pauses(sentence=1.0))
    assert fake[0].calls == []
    assert wide.samples == 5 * 9600 + 4 * RATE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 8}, "seed=7, now 8"),
        ({"text": TEXT + " Zeta."}, "another text or piece size"),
        ({"voice": voice_of(4)}, "another voice"),
        ({"voice_mode": "rolling"}, "voice_mode=fixed, now rolling"),
        ({"candidates": 2}, "candidates=1, now 2"),
        ({"trim": True}, "trim=False, now True"),
        ({"top_k": 5}, "the generation options {}, now {'top_k': 5}"),
    ],
)
def test_a_run_with_other_settings_is_refused(fake, tmp_path, change, words):
    read(fake, voice=voice_of(3), folder=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        read(fake, **{"voice": voice_of(3), "folder": tmp_path} | change)
    assert "another folder" in str(error.value)
    assert "\n" not in str(error.value)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_equal_runs_leave_equal_files(fake, tmp_path):
    """libsndfile writes the second of writing into WAVs of floats; folders could not be compared by their bytes."""
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        result = read(fake, voice=voice_of(3), folder=folder)
        time.sleep(1.1)
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in folders
    )
    assert first == second
    sound, rate = soundfile.read(tmp_path / "a" / "pieces" / "00002-0.wav", dtype="float32")
    assert (rate, soundfile.info(tmp_path / "a" / "pieces" / "00002-0.wav").subtype) == (RATE, "FLOAT")
    assert np.array_equal(sound, sound_of(result.segments[2].seed, 9600).numpy())  # all bits


def test_broken_folders(fake, tmp_path):
    run = tmp_path / "run"
    read(fake, voice=voice_of(3), folder=run)
    note, wav = run / "pieces" / "00001.json", run / "pieces" / "00001-0.wav"

    def refused(words):
        with pytest.raises(ValueError, match=words) as error:
            read(fake, voice=voice_of(3), folder=run)
        assert "\n" not in str(error.value)

    sound, _ = soundfile.read(wav)
    wav.write_bytes(wav.read_bytes()[:-4000])
    refused("piece 1 is damaged .*; delete .*00001.json and it is made again")
    wav.unlink()
    refused("piece 1 is damaged")
    note.unlink()
    fake[0].calls.clear()
    read(fake, voice=voice_of(3), folder=run)
    assert first_words(fake[0]) == [["Beta"]]
    assert np.array_equal(soundfile.read(wav)[0], sound)
    note.write_text("{")
    refused("piece 1 is damaged")
    note.unlink()
    with pytest.raises(ValueError, match=r"has 4 of 5 pieces"):
        open_long(run)
    (run / "manifest.json").write_text('{"format": 99}')
    refused("manifest.json is damaged .*format is 99")
    (run / "manifest.json").unlink()
    refused("has files but no manifest.json")
    with pytest.raises(ValueError, match="holds no run"):
        open_long(run)
    with pytest.raises(ValueError, match="is a file"):
        read(fake, folder=wav)


def test_a_full_disk_loses_nothing(fake, tmp_path, monkeypatch):
    from bark_hf.longform import folder

    write = folder.write_file

    def full(path, content):
        if path.name == "00002-0.wav":
            raise OSError(f"{path} can't be written (No space left on device); nothing was left behind; make room")
        write(path, content)

    monkeypatch.setattr(folder, "write_file", full)
    with pytest.raises(OSError, match=r"No space left .* kept in .*, and the same call goes on"):
        read(fake, voice=voice_of(3), folder=tmp_path, batch_size=1)
    monkeypatch.setattr(folder, "write_file", write)
    fake[0].calls.clear()
    read(fake, voice=voice_of(3), folder=tmp_path)
    assert first_words(fake[0]) == [["Gamma", "Delta", "Epsilon"]]


def test_a_folder_that_cannot_be_written(fake, tmp_path, monkeypatch):
    from bark_hf.longform import folder

    def denied(**options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(folder.tempfile, "TemporaryFile", denied)
    with pytest.raises(PermissionError, match=r"can't be written \(Permission denied\); give another one"):
        read(fake, folder=tmp_path / "run")
    assert fake[0].calls == []


def test_options_that_cannot_be_written_down(fake, tmp_path):
    with pytest.raises(ValueError, match="logits_processor is a function, which can't be written down"):
        read(fake, folder=tmp_path, logits_processor=lambda ids, scores: scores)


# --- joining


def test_pauses_follow_the_text(fake):
    text = "Alpha one two.\n\nBeta one two. Gamma one two, [pause 0.25s] delta one two and nothing more."
    result = read(fake, text, voice_of(3), pauses=Pauses(paragraph=1.0, sentence=0.5))
    assert [round(segment.start * RATE) for segment in result.segments] == [
        0,
        9600 + RATE,
        2 * 9600 + RATE + RATE // 2,
        3 * 9600 + RATE + RATE // 2 + RATE // 4,
        *[round(segment.start * RATE) for segment in result.segments[4:]],
    ]
    assert result.audio.shape == (result.samples,)
    ends = [round(s.start * RATE) + 9600 for s in result.segments]
    for end, seconds in zip(ends, (1.0, 0.5, 0.25), strict=False):
        assert not result.audio[end : end + round(seconds * RATE)].any()
    assert result.samples == ends[-1]  # nothing behind the last word


def join_by_hand(sounds, silences, fade, lead):
    """The sum of faded pieces on one long row of zeros."""
    row = np.zeros(100_000)
    at, end, quiet = lead, 0, True
    curve = np.sin((np.arange(fade) + 0.5) / fade * np.pi / 2)
    for sound, silence in zip(sounds, silences, strict=True):
        faded = sound.astype(float)
        faded[:fade] *= curve
        faded[-fade:] *= curve[::-1]
        start = at if quiet else at - fade
        row[start : start + len(sound)] += faded
        end = start + len(sound) + silence
        at, quiet = end, silence > 0
    return row[:end]


def test_blocks_are_the_sum_of_faded_pieces():
    rng = np.random.default_rng(0)
    sounds = [rng.uniform(-1, 1, n).astype(np.float32) for n in (5000, 700, 3000, 4000)]
    silences = [0.0, 0.05, 0.0, 0.1]
    join = Join(fade_s=0.005)  # 120 samples
    found = list(places([len(sound) for sound in sounds], silences, RATE, join.fade_s, 0.01))
    audio = np.concatenate(list(blocks(found, sounds.__getitem__, RATE, join)))
    expected = join_by_hand(sounds, [0, 1200, 0, 2400], 120, 240)
    assert audio.shape == (total_samples(found),)
    np.testing.assert_allclose(audio, expected, atol=1e-6)


def test_a_fade_is_of_equal_power():
    """Two unrelated sounds of the same level keep that level where they overlap."""
    rng = np.random.default_rng(0)
    sounds = [rng.normal(0, 0.1, 8000).astype(np.float32) for _ in range(2)]
    join = Join(fade_s=0.1)
    found = list(places([8000, 8000], [0.0, 0.0], RATE, 0.1, 0.0))
    audio = np.concatenate(list(blocks(found, sounds.__getitem__, RATE, join)))
    assert audio[5600:8000].std() == pytest.approx(0.1, rel=0.05)


def test_loudness():
    sounds = [np.full(4800, 0.01, np.float32), np.full(4800, 0.5, np.float32), np.zeros(4800, np.float32)]
    found = list(places([4800] * 3, [0.1] * 3, RATE, 0.0, 0.0))
    audio = np.concatenate(list(blocks(found, sounds.__getitem__, RATE, Join(fade_s=0.0, level_db=-20.0))))
    np.testing.assert_allclose(audio[:4800], 0.1, rtol=1e-3)
    np.testing.assert_allclose(audio[7200:12_000], 0.1, rtol=1e-3)
    assert not audio[14_400:19_200].any()
    peaky = np.full(4800, 0.05, np.float32)
    peaky[0] = 0.7
    louder = np.concatenate(list(blocks(found[:1], lambda i: peaky, RATE, Join(fade_s=0.0, level_db=-10.0))))
    assert louder.max() == pytest.approx(0.98, rel=1e-3)


def test_trimming():
    def noise(seconds, level):
        return (np.random.default_rng(0).uniform(-1, 1, round(seconds * RATE)) * level).astype(np.float32)

    speech, silence = noise(1.0, 0.5), np.zeros(RATE, np.float32)
    start, stop = speech_span(np.concatenate([silence, speech, silence]), RATE)
    assert start == pytest.approx(0.95 * RATE, abs=240)
    assert stop == pytest.approx(2.12 * RATE, abs=240)
    assert speech_span(speech, RATE) == (0, RATE)
    assert speech_span(silence, RATE) == (0, RATE)
    assert speech_span(silence[:0], RATE) == (0, 0)
    breath = np.concatenate([speech, silence[:12_000], noise(0.2, 0.03), silence[:2400]])
    assert speech_span(breath, RATE).stop == pytest.approx(1.12 * RATE, abs=240)
    assert speech_span(breath, RATE, ends_with_sound=True).stop == pytest.approx(1.8 * RATE, abs=240)
    word = np.concatenate([speech, silence[:12_000], noise(0.2, 0.4)])  # as loud as speech: a last word
    assert speech_span(word, RATE).stop == word.size
    quiet_end = np.concatenate([speech, noise(0.2, 0.03)])  # no gap: a consonant
    assert speech_span(quiet_end, RATE).stop == quiet_end.size


def test_what_is_trimmed_is_reported_and_kept(fake):
    def padded(seed, n):
        return torch.cat([torch.zeros(4800), sound_of(seed, n - 14_400), torch.zeros(9600)])

    model = fake[0]
    generate = model.generate

    def quiet_ends(**options):
        out = generate(**options)
        out.audio = torch.stack([padded(seed, out.audio.shape[1] + 14_400) for seed in options["seed"]])
        out.audio_lengths = torch.full_like(out.audio_lengths, out.audio.shape[1])
        return out

    model.generate = quiet_ends
    result = read(fake, voice=voice_of(3), trim=True)
    head, tail = result.segments[0].trimmed
    assert head == pytest.approx(0.15, abs=0.011)
    assert tail == pytest.approx(0.28, abs=0.011)
    assert result.segments[0].untrimmed.size == 9600 + 14_400


@pytest.mark.parametrize("ending", [".wav", ".flac"])
def test_saving_is_block_by_block_and_cuts_at_full_scale(fake, tmp_path, ending):
    result = read(fake, voice=voice_of(3))
    path = tmp_path / f"long{ending}"
    assert result.save(path).samples == 0
    audio, rate = soundfile.read(path)
    assert rate == RATE
    np.testing.assert_allclose(audio, result.audio, atol=0.51 / 32768)
    louder = result.rejoin(Join(level_db=0.0))
    assert louder.save(path).samples == 0  # the gain stops at the peak
    with pytest.raises(ValueError, match="sound is written as"):
        result.save(tmp_path / "long.mp3")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_only_one_piece_is_in_memory_while_saving(fake, tmp_path, monkeypatch):
    result = read(fake, voice=voice_of(3), folder=tmp_path / "run")
    loaded = []
    audio = type(result.reader.store).audio
    monkeypatch.setattr(
        type(result.reader.store), "audio", lambda self, record: loaded.append(record.index) or audio(self, record)
    )
    sizes = []
    for block in result.blocks():
        sizes.append(block.size)
        assert len(loaded) <= len(sizes)  # never ahead
    assert loaded == [0, 1, 2, 3, 4]
    assert sum(sizes) == result.samples


# --- dialogues


def test_a_dialogue_has_a_voice_per_speaker(fake):
    script = "Ann: Alpha one two. Beta one two.\nBob: Gamma one two.\n[pause 1s]\nAnn: Delta one two."
    cast = {"Ann": voice_of(3), "Bob": None, "Eve": voice_of(5)}
    result = read_script(*fake, script, cast, piece_seconds=1.0, seed=7, trim=False, pauses=Pauses(speech=0.6))
    used = {text.split()[0]: used for text, used, _ in jobs(fake[0])}
    assert used == {"Alpha": voice_of(3), "Beta": voice_of(3), "Gamma": None, "Delta": voice_of(3)}
    assert [segment.speaker for segment in result.segments] == ["Ann", "Ann", "Bob", "Ann"]
    starts = [round(segment.start * RATE) for segment in result.segments]
    assert np.diff(starts).tolist() == [9600 + round(0.3 * RATE), 9600 + round(0.6 * RATE), 9600 + RATE]
    with pytest.raises(ValueError, match=r"line 2: 'Bo' has no voice; .* did you mean 'Bob'"):
        read_script(*fake, "Ann: Hi.\nBo: Hi.", cast)
    with pytest.raises(ValueError, match="line 2: the text has only pause marks"):
        read_script(*fake, "Ann: Hi.\nBob: [pause]", cast)


# --- limits and options


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"voice_mode": "roling"}, ValueError, "voice_mode='roling' is unknown. Did you mean 'rolling'? It is one of"),
        ({"anchor_every": 1}, ValueError, "anchor_every=1 must be an integer of at least 2"),
        ({"candidates": 0}, ValueError, "candidates=0 must be an integer of at least 1"),
        ({"batch_size": 0}, ValueError, "batch_size=0 must be an integer of at least 1"),
        ({"piece_seconds": 0}, ValueError, "piece_seconds=0 must be a number of seconds up to 13.1"),
        ({"piece_seconds": 14}, ValueError, "piece_seconds=14 must be"),
        ({"fade_s": -0.1}, ValueError, "fade_s=-0.1 must be"),
        ({"level_db": 3}, ValueError, "level_db=3 must be"),
        ({"top_q": 3}, TypeError, "Did you mean 'top_p'"),
        ({"num_return_sequences": 2}, TypeError, "num_return_sequences"),
        ({"temperature": -1}, ValueError, "temperature=-1"),
        ({"seed": -1}, ValueError, "seed"),
        ({"language": "xx"}, ValueError, "language 'xx' is unknown"),
    ],
)
def test_bad_options_are_refused_before_anything_is_generated(fake, options, error, words):
    with pytest.raises(error, match=re.escape(words)):
        read(fake, **options)
    assert fake[0].calls == []


def test_negative_pauses_are_refused():
    with pytest.raises(ValueError, match=r"pause sentence=-0\.1 must be a number of seconds from 0 to 600"):
        Pauses(sentence=-0.1)


def test_pieces_fit_what_the_checkpoint_says_at_once(fake):
    fake[0].generation_config = BarkGenerationConfig(semantic_config={"max_new_tokens": 100})  # 2 s
    result = read(fake, TEXT * 3, voice_of(3), piece_seconds=None)
    assert max(segment.piece.seconds for segment in result.segments) <= 0.85 * 100 / 49.9
    fake[0].generation_config = BarkGenerationConfig()
    assert len(read(fake, TEXT * 3, voice_of(3), piece_seconds=None, max_duration_s=2.0)) == len(result)


@pytest.mark.parametrize(
    ("limits", "wanted", "target", "most"),
    [
        ({}, None, 10.0, 12.5),  # Suno's
        ({"max_new_tokens": 250, "semantic_rate_hz": 50}, None, 3.4, 4.25),  # the demo's: 0.85 of 5 s are counted on
        ({}, 4.0, 4.0, 5.0),
        ({"max_new_tokens": 250, "semantic_rate_hz": 50}, 2.0, 2.0, 2.5),
        ({"max_new_tokens": 250, "semantic_rate_hz": 50}, 4.0, 4.0, 4.25),
        ({"max_new_tokens": 500, "semantic_rate_hz": 50}, None, 6.8, 8.5),
    ],
)
def test_pieces_are_as_long_as_the_checkpoint_or_the_user_says(fake, limits, wanted, target, most):
    """Short sentences can be put together to any length, so the pieces come near the target."""
    fake[0].generation_config = BarkGenerationConfig(semantic_config=limits)
    result = read(fake, "Cats sit. " * 200, voice_of(3), piece_seconds=wanted)  # 0.7 s each
    seconds = [segment.piece.seconds for segment in result.segments]
    assert max(seconds) <= most
    assert np.mean(seconds) == pytest.approx(target, abs=0.35)


def test_longer_pieces_than_the_checkpoint_says_at_once_need_more_tokens(fake):
    fake[0].generation_config = BarkGenerationConfig(semantic_config={"max_new_tokens": 250, "semantic_rate_hz": 50})
    for name in ("piece_seconds", "first_seconds"):
        with pytest.raises(ValueError, match=rf"{name}=8 must be a number of seconds up to 4\.2"):
            read(fake, TEXT * 3, voice_of(3), **{name: 8})
    longer = read(fake, "Cats sit. " * 200, voice_of(3), piece_seconds=8, max_new_tokens=768)
    assert np.mean([segment.piece.seconds for segment in longer.segments]) == pytest.approx(8, abs=0.5)


# --- the real route


def test_a_segment_is_what_generate_makes_with_its_seed_and_voice(checkpoint, tmp_path):
    model, processor = BarkModel.from_pretrained(checkpoint), BarkProcessor.from_pretrained(checkpoint)
    options = {"max_new_tokens": 20, "min_eos_p": None}
    text = "Hello. [pause 0.2s] [laughs] Pizza."
    result = read_long(model, processor, text, "v2/en_speaker_6", seed=3, folder=tmp_path, piece_seconds=0.3, **options)
    for segment in result.segments:
        inputs = processor(segment.text, voice_preset="v2/en_speaker_6")
        out = model.generate(**inputs, **options, seed=segment.seed, return_dict_in_generate=True)
        np.testing.assert_allclose(segment.untrimmed, out.waveform(0).numpy(), atol=1e-5)
        assert np.array_equal(segment.fine_codes, out.fine_codes[0].numpy())
    assert json.loads((tmp_path / "manifest.json").read_text())["settings"]["seed"] == 3
    assert [word for s in result.segments for word in s.text.split()] == re.sub(r"\[pause.*?\]", "", text).split()
