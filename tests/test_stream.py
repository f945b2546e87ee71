"""Streams: the chunks are the sound of the plain call, and come before the rest was made."""

from __future__ import annotations

import numpy as np
import pytest
from longform_fakes import RATE, TEXT, WORDS, FakeModel, FakeProcessor, voice_of

from bark_hf import BarkProcessor
from bark_hf.longform import Pauses, read_long, read_script, stream, stream_script

NO_PAUSES = Pauses(paragraph=0.0, sentence=0.0, clause=0.0, speech=0.0)
PAUSED = "[pause 0.2s] Alpha one two. [pause 0.5s] Beta one two. Gamma one two.\n\nDelta one two. Epsilon one two."


@pytest.fixture
def fake():
    processor = FakeProcessor()
    return FakeModel(processor), processor


def settings(**options):
    return {"piece_seconds": 1.0, "seed": 7, "trim": False} | options


def first_words(model):
    return [[text.split()[0] for text, *_ in call] for call in model.calls]


def joined(sound):
    chunks = list(sound)
    assert all(chunk.dtype == np.float32 and chunk.ndim == 1 and chunk.size for chunk in chunks)
    return np.concatenate(chunks)


CASES = {
    "fixed": {"voice": voice_of(3)},
    "rolling": {"voice": voice_of(3), "voice_mode": "rolling"},
    "hybrid": {"voice": voice_of(3), "voice_mode": "hybrid", "anchor_every": 2},
    "no voice": {"voice": None},
    "no voice, rolling": {"voice": None, "voice_mode": "rolling"},
    "candidates": {"voice": voice_of(3), "candidates": 3, "batch_size": 5},
    "overlaps": {"voice": voice_of(3), "pauses": NO_PAUSES, "fade_s": 0.1},
    "trimmed and levelled": {"voice": voice_of(3), "trim": True, "level_db": -20.0},
}


@pytest.mark.parametrize("text", [TEXT, PAUSED, "Alpha one two."], ids=["pieces", "paused", "one piece"])
@pytest.mark.parametrize("case", CASES)
def test_the_chunks_are_the_sound_of_the_plain_call(fake, case, text):
    plain = read_long(*fake, text, **settings(**CASES[case]))
    sound = stream(*fake, text, **settings(**CASES[case]))
    assert np.array_equal(joined(sound), plain.audio)
    assert [s.to_dict() for s in sound.result.segments] == [s.to_dict() for s in plain.segments]
    assert sound.sampling_rate == plain.sampling_rate == RATE


def test_pieces_without_sound_and_retries():
    """One piece ends at once in every take, one in its first take only: both calls make the same of it."""
    processor = FakeProcessor()
    silent, seen = "Beta", set()

    def script(text, seed):
        first = text not in seen
        seen.add(text)
        return 0 if text.startswith(silent) or (text.startswith("Delta") and first) else 20

    options = settings(voice=voice_of(3), pauses=NO_PAUSES)
    plain = read_long(FakeModel(processor, script), processor, TEXT, **options)
    seen.clear()
    sound = stream(FakeModel(processor, script), processor, TEXT, **options)
    assert np.array_equal(joined(sound), plain.audio)
    assert not sound.result.segments[1].seconds


@pytest.mark.parametrize("mode", ["fixed", "rolling", "hybrid"])
def test_a_real_model(model, checkpoint, mode):
    """The networks' batches are others than in the plain call; the samples are not."""
    processor = BarkProcessor.from_pretrained(checkpoint)
    options = {"voice": "v2/en_speaker_6", "voice_mode": mode, "anchor_every": 2, "max_duration_s": 0.3, "seed": 5}
    text = "hello\n\npizza [pause 0.1s] cat\n\nbark"
    plain = read_long(model, processor, text, **options)
    assert len(plain) == 4
    assert np.array_equal(joined(stream(model, processor, text, **options)), plain.audio)


def test_a_script(fake):
    script = "Ann: Alpha one two.\nBob: Beta one two.\n[pause 0.3s]\nAnn: Gamma one two.\n"
    cast = {"Ann": voice_of(1), "Bob": None}
    plain = read_script(*fake, script, cast, **settings())
    assert np.array_equal(joined(stream_script(*fake, script, cast, **settings())), plain.audio)


# --- before the rest


def test_the_first_chunk_comes_before_later_pieces_are_made(fake):
    sound = stream(*fake, TEXT, **settings(voice=voice_of(3)))
    assert not fake[0].calls
    assert sound.first_sound_seconds is None
    chunk = next(sound)
    assert first_words(fake[0]) == [WORDS[:1]]
    assert chunk.size > 9000  # 9,600 samples without the fade
    assert sound.first_sound_seconds > 0
    joined(sound)
    assert first_words(fake[0]) == [WORDS[:1], WORDS[1:3], WORDS[3:]]  # twice as many each time


def test_only_a_fade_is_held_back(fake):
    """With a pause behind it a piece is out completely before the next one is begun; without one but for the fade."""
    for pauses, waiting in ((Pauses(sentence=0.1), 0), (NO_PAUSES, 120)):
        sound = stream(*fake, TEXT, **settings(voice=voice_of(3), pauses=pauses, batch_size=1))
        fake[0].calls.clear()
        samples, before = 0, []
        for chunk in sound:
            if len(fake[0].calls) == 1:
                before.append(chunk)
            samples += chunk.size
        silence = round(pauses.sentence * RATE)
        assert sum(chunk.size for chunk in before) == 9600 + silence - waiting
        assert samples == sound.result.samples


@pytest.mark.parametrize("mode", ["rolling", "hybrid"])
def test_chains_are_made_in_the_order_of_the_text(fake, mode):
    """In hybrid mode later anchors are ready at once, but the piece that is heard next comes first."""
    sound = stream(*fake, TEXT, **settings(voice=voice_of(3), voice_mode=mode, anchor_every=2, batch_size=2))
    joined(sound)
    expected = [[word] for word in WORDS] if mode == "rolling" else [["Alpha"], ["Beta", "Gamma"], ["Delta", "Epsilon"]]
    assert first_words(fake[0]) == expected


def test_nothing_is_made_that_nobody_asks_for(fake):
    sound = stream(*fake, TEXT, **settings(voice=voice_of(3)))
    next(sound)
    with pytest.raises(ValueError, match="1 of 5 pieces"):
        _ = sound.result
    assert len(fake[0].calls) == 1


def test_a_kept_run_goes_on(fake, tmp_path):
    options = settings(voice=voice_of(3), folder=tmp_path / "run", batch_size=1)
    plain = read_long(*fake, TEXT, **options | {"folder": None})
    sound = stream(*fake, TEXT, **options)
    next(sound)
    fake[0].calls.clear()
    again = stream(*fake, TEXT, **options)
    assert np.array_equal(joined(again), plain.audio)
    assert first_words(fake[0]) == [[word] for word in WORDS[1:]]
    assert list(again.result.made) == [1, 2, 3, 4]


def test_a_silent_lead_is_no_first_sound(fake):
    sound = stream(*fake, "[pause 0.2s] Alpha one two.", **settings(voice=voice_of(3)))
    assert not next(sound).any()
    assert sound.first_sound_seconds is None
    assert next(sound).any()
    assert sound.first_sound_seconds > 0


# --- a short first piece


def test_the_first_piece_may_be_shorter(fake):
    text = "One two three. " * 6
    plain = read_long(*fake, text, **settings(voice=voice_of(3), piece_seconds=4.0, first_seconds=1.0))
    counts = [segment.text.count("One") for segment in plain.segments]
    assert counts[0] == 1
    assert max(counts) > 1
    assert " ".join(segment.text for segment in plain.segments) == text.strip()
    sound = stream(*fake, text, **settings(voice=voice_of(3), piece_seconds=4.0, first_seconds=1.0))
    assert np.array_equal(joined(sound), plain.audio)
    script = f"Ann: {text}\nBob: {text}"
    cast = dict.fromkeys(("Ann", "Bob"), voice_of(3))
    spoken = read_script(*fake, script, cast, **settings(piece_seconds=4.0, first_seconds=1.0)).segments
    assert [s.text.count("One") for s in spoken if s.speaker == "Ann"] == counts
    assert next(s for s in spoken if s.speaker == "Bob").text.count("One") > 1  # only the first sound is in a hurry


@pytest.mark.parametrize("value", [0, -1.0, 100.0, "2", float("nan")])
def test_a_wrong_length_is_refused_at_the_call(fake, value):
    with pytest.raises(ValueError, match="first_seconds"):
        stream(*fake, TEXT, **settings(first_seconds=value))
    with pytest.raises(ValueError, match="nothing to say"):
        stream(*fake, " ")
    with pytest.raises(TypeError, match="voice_mod"):
        stream(*fake, TEXT, voice_mod="fixed")
    assert not fake[0].calls
