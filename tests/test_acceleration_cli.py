"""`bark-hf say --fast` and `--low-memory`: one line says what was chosen, and what excludes each other is refused."""

from __future__ import annotations

import pytest

from bark_hf.acceleration import AcceleratedBarkModel, optimize
from bark_hf.cli.common import UsageError
from bark_hf.cli.fast import Speed
from bark_hf.cli.loading import Attention, Dtype, check_model, load_model


@pytest.fixture(scope="module")
def folder(checkpoint) -> str:
    return str(checkpoint)


def notes(capsys) -> list[str]:
    """Our lines on stderr, without the bars that Transformers draws."""
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("note:")]


def test_fast_on_a_cpu_is_int8_and_says_so(folder, capsys):
    model = Speed(fast=True).load(load_model, folder, "cpu", None, None)
    assert isinstance(model, AcceleratedBarkModel)
    (note,) = notes(capsys)  # and why a network of width 32 has no native steps
    assert note.startswith("note: cpu: int8 weights, float32 activations, lean steps (native ones are ")


def test_a_number_format_wins(folder, capsys):
    model = Speed(fast=True, low_memory=True).load(load_model, folder, "cpu", Dtype.bfloat16, None)
    assert model.mode.quantize is None
    assert notes(capsys) == ["note: cpu: bfloat16 weights, lean decode steps"]


def test_nothing_asked_for_nothing_done(folder, capsys):
    assert not isinstance(Speed().load(load_model, folder, "cpu", None, None), AcceleratedBarkModel)
    assert notes(capsys) == []


def test_attention_can_not_be_chosen_twice(folder):
    with pytest.raises(UsageError, match="--fast and --attn-implementation exclude each other"):
        Speed(fast=True).load(load_model, folder, "cpu", None, Attention.sdpa)


def test_a_quantised_folder_is_a_model(folder, tmp_path):
    optimize(load_model(folder, "cpu", None, None), quantize="int8").save_pretrained(tmp_path)
    assert check_model(str(tmp_path)) == str(tmp_path)
    assert load_model(str(tmp_path), "cpu", None, None).mode.quantize == "int8"
    assert Speed(fast=True).load(load_model, str(tmp_path), "cpu", None, None).mode.quantize == "int8"
    with pytest.raises(UsageError, match=r"--dtype is settled in .* leave it out"):
        load_model(str(tmp_path), "cpu", Dtype.float32, None)
    with pytest.raises(UsageError, match=r"--device cuda has no kernels for .* take --device cpu"):
        load_model(str(tmp_path), "cuda", None, None)
