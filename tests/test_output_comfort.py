"""A result that is saved, listened to and looked at: files, the notebook's player, the picture."""

from __future__ import annotations

import base64
import io
import re
import sys
import wave

import numpy as np
import pytest
import torch

from bark_hf import BarkGenerationConfig
from bark_hf.generation.output import BarkOutput

TONE_HZ, RATE = 3_000, 24_000


def result(seconds: tuple[float, ...] = (0.5,), peak: float = 0.5) -> BarkOutput:
    """Items of a tone with random tokens, by the demo's kind of config: not Bark's vocabulary and rate."""
    config = BarkGenerationConfig(
        semantic_config={"semantic_vocab_size": 128, "eos_token_id": 128, "semantic_rate_hz": 50}
    )
    generator = torch.Generator().manual_seed(0)
    items = []
    for length in seconds:
        n_frames = round(75 * length)
        fine = torch.randint(0, 1024, (8, n_frames), generator=generator)
        semantic = torch.randint(0, 128, (round(50 * length),), generator=generator)
        audio = peak * torch.sin(2 * torch.pi * TONE_HZ * torch.arange(320 * n_frames) / RATE)
        items.append((semantic, fine[:2], fine, audio))
    semantic, coarse, fine, audio = zip(*items, strict=True)
    seeds = list(range(40, 40 + len(items)))
    return BarkOutput.from_items(semantic, coarse, fine, audio, seeds, config, torch.device("cpu"))


def samples(content: bytes) -> np.ndarray:
    """The samples of a 16-bit mono WAV at 24 kHz, by Python's own reader."""
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def test_one_item_is_one_file(tmp_path):
    out = result()
    assert out.save(tmp_path / "x.wav") == [tmp_path / "x.wav"]
    written = samples((tmp_path / "x.wav").read_bytes())
    assert np.abs(written / 32768 - out.waveform(0).numpy()).max() <= 0.51 / 32768


def test_several_items_are_numbered_and_not_padded(tmp_path):
    out = result((0.5, 0.2))
    assert out.save(str(tmp_path / "x.wav")) == [tmp_path / "x_0.wav", tmp_path / "x_1.wav"]
    assert [samples(file.read_bytes()).shape[0] for file in sorted(tmp_path.iterdir())] == [38 * 320, 15 * 320]


@pytest.mark.parametrize("index", [1, -1])
def test_one_of_several_items(tmp_path, index):
    result((0.5, 0.2)).save(tmp_path / "one.wav", index=index)
    assert [file.name for file in tmp_path.iterdir()] == ["one.wav"]
    assert samples((tmp_path / "one.wav").read_bytes()).shape[0] == 15 * 320


def test_what_cannot_be_saved_leaves_nothing(tmp_path):
    out = result((0.5, 0.0))
    with pytest.raises(ValueError, match=r"x\.mp3 ends in '\.mp3'.*\.wav, \.flac, \.ogg"):
        out.save(tmp_path / "x.mp3")
    with pytest.raises(FileNotFoundError, match="absent"):
        out.save(tmp_path / "absent" / "x.wav")
    with pytest.raises(IndexError, match="no item 2: this result has 2"):
        out.save(tmp_path / "x.wav", index=2)
    with pytest.raises(ValueError, match="Item 1 has no sound"):
        out.save(tmp_path / "x.wav")
    assert not list(tmp_path.iterdir())


def test_clipping_is_said(tmp_path):
    with pytest.warns(UserWarning, match=r"samples of item 0 were beyond -1\.\.1, up to 2\.00"):
        result(peak=2.0).save(tmp_path / "x.wav")
    assert samples((tmp_path / "x.wav").read_bytes()).max() == 32767


def players(out: BarkOutput) -> list[np.ndarray]:
    return [
        samples(base64.b64decode(sound))
        for sound in re.findall(r'<audio controls src="data:audio/wav;base64,([^"]+)">', out._repr_html_())
    ]


def test_player_needs_no_ipython(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    out = result((0.5, 0.2))
    sounds = players(out)
    assert [sound.shape[0] for sound in sounds] == [38 * 320, 15 * 320]
    assert np.abs(sounds[1] / 32768 - out.waveform(1).numpy()).max() <= 0.51 / 32768
    assert "item 1: 0.2 s, seed 41" in out._repr_html_()


def test_player_shows_sixteen_items_and_says_how_many_more():
    out = result((0.1,) * 18)
    assert len(players(out)) == 16
    assert "and 2 more" in out._repr_html_()


def test_player_of_nothing_and_of_broken_sound():
    out = result((0.0, 0.2))
    out.audio[1, 5] = float("nan")
    assert "no sound" in out._repr_html_()
    assert players(out)[0].shape[0] == 15 * 320


def test_picture_shows_the_item(monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    out = result((0.5, 0.2))
    figure = out.plot(0)
    waveform, spectrogram, semantic, codes = figure.axes
    assert codes.get_xlim() == (0, 38 * 320 / RATE)
    assert waveform.lines[0].get_ydata().shape[0] == 38 * 320
    level = spectrogram.images[0]
    loudest = level.get_array()[:, 20].argmax() / level.get_array().shape[0] * level.get_extent()[3]
    assert loudest == pytest.approx(TONE_HZ / 1000, abs=0.05)
    np.testing.assert_array_equal(semantic.lines[0].get_ydata(), out.semantic_tokens[0])
    assert semantic.lines[0].get_xdata()[-1] == pytest.approx(24 / 50)
    np.testing.assert_array_equal(codes.images[0].get_array(), out.fine_codes[0])
    assert pyplot.get_fignums() == []  # else notebooks show it twice


def test_picture_of_all_items(tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    figure = result((0.5, 0.2, 0.0)).plot()
    assert len(figure.axes) == 12
    assert [axes.get_title() for axes in figure.axes[:3]] == [
        "item 0: 0.51 s, seed 40",
        "item 1: 0.20 s, seed 41",
        "item 2: 0.00 s, seed 42",
    ]
    figure.savefig(tmp_path / "all.png", dpi=40)
    assert (tmp_path / "all.png").stat().st_size > 5_000


def test_picture_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'plot\(\) needs matplotlib .*pip install "bark-hf\[train\]"'):
        result().plot()


def test_real_result_has_the_comfort(model, tmp_path):
    out = model.generate(
        torch.tensor([[5, 6, 7]]), max_duration_s=0.2, min_eos_p=None, seed=1, return_dict_in_generate=True
    )
    (file,) = out.save(tmp_path / "me.flac")
    assert file.read_bytes()[:4] == b"fLaC"
    assert len(players(out)) == 1
