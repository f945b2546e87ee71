"""The checkpoint inside the package: complete, small, speaking.

Oracles: its own semantic tokenizer, which names the sounds of a waveform, and the pitch of the two voices.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoProcessor, pipeline
from typer.testing import CliRunner

import bark_hf
from bark_hf import demo as demo_package
from bark_hf.cli import app
from bark_hf.longform.reading import piece_size
from bark_hf.semantic_tokenizer import load_semantic_tokenizer

pytestmark = pytest.mark.skipif(
    not (Path(demo_package.__file__).parent / "checkpoint" / "config.json").is_file(),
    reason="the demo checkpoint is not built; python recipes/demo/make.py OUT builds it",
)
SENTENCE = "Hello, my name is Suno and I like pizza."
LIMIT_BYTES = 32e6


@pytest.fixture(scope="module")
def demo():
    return AutoModel.from_pretrained(bark_hf.demo_path())


@pytest.fixture(scope="module")
def processor():
    return AutoProcessor.from_pretrained(bark_hf.demo_path())


@pytest.fixture(scope="module")
def spoken(demo, processor):
    """The sentence in both voices."""
    inputs = processor([SENTENCE] * 2, voice_preset=["slt", "rms"])
    return demo.generate(**inputs, seed=[1, 2], return_dict_in_generate=True)


def pitch(audio: np.ndarray, rate: int) -> float:
    """Median fundamental frequency in Hz, by the highest autocorrelation of 40 ms pieces between 70 and 300 Hz."""
    size, found = int(0.04 * rate), []
    for start in range(0, len(audio) - size, size):
        piece = audio[start : start + size] - audio[start : start + size].mean()
        correlation = np.correlate(piece, piece, "full")[size - 1 :]
        lags = np.arange(int(rate / 300), int(rate / 70))
        best = lags[np.argmax(correlation[lags])]
        if correlation[best] > 0.5 * correlation[0] > 1e-3:
            found.append(rate / best)
    return float(np.median(found))


def test_folder_is_complete_and_small():
    files = [path for path in Path(bark_hf.demo_path()).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= LIMIT_BYTES
    assert not [path for path in files if path.suffix in (".bin", ".pt", ".pth", ".pkl")]


def test_loads_as_float32_without_a_word(capfd, demo):
    model = AutoModel.from_pretrained(bark_hf.demo_path())
    assert type(model) is bark_hf.BarkModel
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert "warning" not in capfd.readouterr().err.lower()


def test_the_sound_has_the_tokens_that_were_drawn(spoken):
    """The tokenizer reads phones off the waveform; by chance about one frame in ten would be right."""
    tokenizer = load_semantic_tokenizer(bark_hf.demo_path())
    for index in range(2):
        wanted = spoken.semantic_tokens[index][spoken.semantic_tokens[index] >= 0]
        heard = tokenizer.encode(spoken.waveform(index).numpy(), spoken.sampling_rate)
        n = min(len(wanted), len(heard))
        assert n / 50 > 1.5, "seconds"
        assert (wanted[:n] // 3 == heard[:n] // 3).float().mean() > 0.5


def test_voices_steer_the_pitch(spoken):
    high, low = (pitch(spoken.waveform(index).numpy(), spoken.sampling_rate) for index in range(2))
    assert high > 1.25 * low


def test_pieces_are_as_long_as_its_training_clips(demo, processor):
    """Of pieces of 10 s it lost two words of three."""
    size = piece_size(demo, processor, None, {})
    assert size.target == pytest.approx(3.4)
    assert size.limit == pytest.approx(4.25)


def test_pipeline():
    result = pipeline("text-to-speech", model=bark_hf.demo_path())(
        "Hello!", preprocess_params={"voice_preset": "rms"}, generate_kwargs={"seed": 1}
    )
    assert result["sampling_rate"] == 24_000
    assert np.abs(result["audio"]).max() > 0.01


def test_say_uses_it_and_says_so(tmp_path):
    result = CliRunner().invoke(app, ["say", "Hello.", "-m", "demo", "-o", str(tmp_path / "hello.wav"), "--seed", "1"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "hello.wav").stat().st_size > 10_000
    assert len(re.findall(r"note: .*demo voice.*--model suno/bark-small", result.output)) == 1
