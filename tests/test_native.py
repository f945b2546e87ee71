"""The kernels in C++, held against plain float arithmetic of the same rounded weights, and against themselves alone.

The oracles know nothing of blocks, tiles and threads. Results must be equal to the bit by VNNI and by AMX, by one
thread and by two, alone and in a batch: integers have no order of sums.
"""

from __future__ import annotations

import copy
import subprocess
import sys
from functools import partial

import pytest
import torch
from tiny import TINY, tiny_config
from torch import nn

from bark_hf import BarkModel, BarkSemanticModel
from bark_hf.acceleration import load, optimize, quantized_linear
from bark_hf.acceleration.native_product import NativeProduct
from bark_hf.acceleration.native_steps import QuantizedSteps, run_window, runs_natively
from bark_hf.acceleration.quantized_linear import QuantizedLinear
from bark_hf.acceleration.rounding import from_int4, to_int4, to_int8
from bark_hf.generation.lean_steps import LeanSteps
from bark_hf.generation.native_steps import FloatSteps
from bark_hf.generation.steps import CachedSteps, open_steps
from bark_hf.native import building

REASON = building.why_not()
native = pytest.mark.skipif(REASON is not None, reason=f"native kernels can't run here: {REASON}")

IDS = torch.tensor([[60, 61, 62], [70, 71, 0]])
CALL = {"seed": [1, 2], "semantic_min_eos_p": None, "max_new_tokens": 12, "return_dict_in_generate": True}


@pytest.fixture(autouse=True)
def _no_grad():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


@pytest.fixture(params=[1, 0], ids=["amx", "vnni"])
def _tiles(request):
    """With AMX, where there is one, and without."""
    building.library().bark_prepare(request.param)
    yield
    building.library().bark_prepare(1)


def wide_model(heads: int = 2) -> BarkModel:
    """Tiny, but with networks of width 128: the kernels want multiples of 64."""
    config = tiny_config()
    sizes = TINY | {"hidden_size": 128, "num_heads": heads, "initializer_range": 0.1}
    for part in (config.semantic_config, config.coarse_acoustics_config, config.fine_acoustics_config):
        for name, value in sizes.items():
            setattr(part, name, value)
    return BarkModel(config).eval()


@pytest.fixture(scope="module")
def model() -> BarkModel:
    torch.manual_seed(0)
    return wide_model()


@pytest.fixture(scope="module", params=["int8", "int4"])
def quantized(request, model):
    return optimize(copy.deepcopy(model), quantize=request.param)


def rounded_rows(x: torch.Tensor) -> torch.Tensor:
    """Rows as the kernels round them: 8 bits by their own peak."""
    step = x.abs().amax(-1, keepdim=True) / 127
    return torch.where(step > 0, (x / step.clamp_min(1e-30)).round() * step, x)


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


# --- products

SHAPES = [(16, 64), (50, 64), (48, 128), (129, 192)]
ROWS = [1, 2, 3, 4, 7, 8, 13, 16, 33, 600]


@native
@pytest.mark.usefixtures("_tiles")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_rows", ROWS)
def test_int8_product_is_the_product_of_rounded_numbers(shape, n_rows):
    ints, scale = to_int8(torch.randn(shape))
    bias, x = torch.randn(shape[0]), torch.randn(n_rows, shape[1]) * torch.logspace(-2, 2, n_rows)[:, None]
    expected = rounded_rows(x) @ (ints.float() * scale[:, None]).T + bias
    product = NativeProduct.int8(ints, scale, bias)
    for row, exact in zip(product(x), expected, strict=True):
        assert relative(row, exact) < 2e-3  # a number between two ints may go either way
    torch.testing.assert_close(product(x, gelu=True), nn.functional.gelu(product(x)), atol=1e-5, rtol=1e-5)


@native
@pytest.mark.parametrize(("n_out", "n_in"), [(16, 64), (50, 192), (48, 32 * 4)])
@pytest.mark.parametrize("n_rows", [1, 3, 8, 40])
def test_int4_product_is_the_product_of_rounded_numbers(n_out, n_in, n_rows):
    pairs, scales = to_int4(torch.randn(n_out, n_in))
    x = torch.randn(n_rows, n_in)
    found = NativeProduct.int4(pairs, scales)(x)
    assert relative(found, rounded_rows(x) @ from_int4(pairs, scales).T) < 5e-3


@native
def test_a_row_knows_neither_neighbours_nor_tiles_nor_threads():
    product, x = NativeProduct.int8(*to_int8(torch.randn(96, 128))), torch.randn(70, 128)
    together = product(x)
    for i in (0, 1, 31, 32, 69):
        assert torch.equal(together[i : i + 1], product(x[i : i + 1]))
    building.library().bark_prepare(0)
    without_tiles = product(x)
    building.library().bark_prepare(1)
    assert torch.equal(together, without_tiles)
    threads = torch.get_num_threads()
    for n in (1, 2, 3):
        torch.set_num_threads(n)
        assert torch.equal(product(x), together)
    torch.set_num_threads(threads)


@native
def test_zeros_give_the_bias():
    bias = torch.randn(20)
    assert torch.equal(NativeProduct.int8(*to_int8(torch.randn(20, 64)), bias)(torch.zeros(2, 64)), bias.expand(2, 20))


@native
def test_products_give_back_what_they_were_made_of():
    ints, scale = to_int8(torch.randn(50, 64))
    state = NativeProduct.int8(ints, scale).state()
    assert torch.equal(state["weight_int8"], ints)
    assert torch.equal(state["scale"], scale)
    pairs, scales = to_int4(torch.randn(50, 64))
    state = NativeProduct.int4(pairs, scales).state()
    assert torch.equal(state["weight_int4"], pairs)
    assert torch.equal(state["scale_int4"], scales)


# --- steps and windows


def play(make, network) -> list[torch.Tensor]:
    """Prompts of two lengths, steps, a dropped row, more steps, one prompt anew, and a last step."""
    generator = torch.Generator().manual_seed(3)
    embeds = 0.3 * torch.randn(4, 40, network.config.hidden_size, generator=generator)
    steps, seen = make(network, 4, 64), []
    steps.prefill([0, 2, 3], embeds[:3])
    steps.prefill([1], embeds[3:, :5])
    seen += [steps.step(torch.tensor([5, 6, 7, 8]) + n, (100, 200) if n % 2 else None) for n in range(14)]
    steps.keep([0, 1, 3])
    seen += [steps.step(torch.tensor([1, 2, 3]), None) for _ in range(2)]
    steps.prefill([2], embeds[:1, :17])
    steps.keep([1, 2])
    seen.append(steps.step(torch.tensor([1, 2]), (3, 70)))
    steps.keep([1])
    seen.append(steps.step(torch.tensor([9]), (0, 50)))
    return seen


@native
@pytest.mark.usefixtures("_tiles")
@pytest.mark.parametrize("part", ["semantic", "coarse_acoustics"])
def test_native_steps_are_the_network(quantized, part):
    """Against the same quantised layers one by one, with float keys and values: what differs is rounding."""
    network = getattr(quantized, part)
    assert runs_natively(network)
    for found, expected in zip(play(QuantizedSteps, network), play(LeanSteps, network), strict=True):
        assert found.shape == expected.shape
        assert relative(found, expected) < 0.06


@native
@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_every_size_of_heads(heads):
    """128, 64, 32 and 16 numbers per head; tiles know two of them, the others go layer by layer."""
    plain = wide_model(heads)
    network = optimize(copy.deepcopy(plain), quantize="int8").coarse_acoustics
    for found, expected in zip(play(QuantizedSteps, network), play(CachedSteps, plain.coarse_acoustics), strict=True):
        assert relative(found, expected) < 0.12


@native
def test_a_step_attends_as_brute_force_does(model):
    """Keys and values in 8 bits: one layer's attention, over one position and over many, against float64."""
    network = optimize(copy.deepcopy(model), quantize="int8").semantic
    config = network.config
    for length in (1, 15, 16, 17, 50):
        embeds = torch.randn(1, length, config.hidden_size)
        steps = QuantizedSteps(network, 1, length + 1)
        steps.prefill([0], embeds)
        found = steps.step(torch.tensor([7]), None)
        token = network.input_embeds_layer(torch.tensor([[7]]))
        expected = model.semantic(inputs_embeds=torch.cat([embeds, token], dim=1)).logits[:, -1]
        assert relative(found, expected) < 0.12, length


@native
@pytest.mark.usefixtures("_tiles")
def test_fine_windows_are_the_network(quantized):
    network = quantized.fine_acoustics
    hidden = torch.randn(2, 70, network.config.hidden_size)
    found = hidden.clone()
    done = run_window(network, found)
    if not done:
        assert torch.equal(found, hidden)  # left alone for the layers one by one
        return
    expected = hidden
    for block in network.layers:
        expected = block(expected)[0]
    assert relative(found, expected) < 0.03
    alone = hidden[1:].clone()
    run_window(network, alone)
    assert torch.equal(alone, found[1:])


@native
@pytest.mark.parametrize("part", ["semantic", "coarse_acoustics"])
@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_float_steps_are_the_network(part, heads):
    """The exact mode: float32 throughout, so only the order of sums differs."""
    network = getattr(wide_model(heads), part)
    assert isinstance(open_steps(network, 1, 8), FloatSteps)
    for found, expected in zip(play(FloatSteps, network), play(CachedSteps, network), strict=True):
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


@native
def test_a_float_row_knows_neither_neighbours_nor_threads(model):
    network, threads = model.semantic, torch.get_num_threads()
    embeds = torch.randn(9, 20, network.config.hidden_size)
    together = FloatSteps(network, 9, 32)
    together.prefill(list(range(9)), embeds)
    found = together.step(torch.arange(9), None)
    for i in (0, 4, 8):
        torch.set_num_threads(1 + i % 3)
        alone = FloatSteps(network, 1, 32)
        alone._states[0][:, 0], alone._states[1][:, 0] = together._states[0][:, i], together._states[1][:, i]
        alone.lengths = [20]
        assert torch.equal(alone.step(torch.tensor([i]), None)[0], found[i])
    torch.set_num_threads(threads)


@native
def test_float_steps_know_biases():
    config = tiny_config().semantic_config
    config.bias = True
    network = BarkSemanticModel(config).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            parameter.normal_()
    for found, expected in zip(play(FloatSteps, network), play(CachedSteps, network), strict=True):
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


@native
@pytest.mark.parametrize("change", ["dtype", "norm", "quantised", "switch"])
def test_float_steps_give_way(model, change, monkeypatch):
    """What is not plain float32 goes step by step through PyTorch."""
    network = copy.deepcopy(model.semantic)
    if change == "dtype":
        network = network.bfloat16()
    elif change == "norm":
        network.layers[0].layernorm_1 = nn.Sequential(network.layers[0].layernorm_1)
    elif change == "quantised":
        network = optimize(copy.deepcopy(model), quantize="int8").semantic
        del network.steps_factory
    else:
        monkeypatch.setattr("bark_hf.generation.native_steps.why_not", lambda: "switched off")
    assert isinstance(open_steps(network, 1, 8), LeanSteps)


# --- whole models


def tokens(output) -> list[torch.Tensor]:
    return [output.semantic_tokens, output.coarse_codes, output.fine_codes]


@native
def test_an_item_knows_neither_neighbours_nor_threads(quantized):
    both, threads = quantized.generate(IDS, **CALL), torch.get_num_threads()
    for i, seed in enumerate(CALL["seed"]):
        torch.set_num_threads(1 + i)
        alone = quantized.generate(IDS[i : i + 1], **{**CALL, "seed": seed})
        for name in ("semantic_tokens", "coarse_codes", "fine_codes"):
            assert torch.equal(getattr(both, name)[i : i + 1], getattr(alone, name)), name
    torch.set_num_threads(threads)


@native
def test_saved_and_loaded(quantized, tmp_path):
    quantized.save_pretrained(tmp_path)
    again = load(tmp_path)
    assert again.acceleration == quantized.acceleration
    assert again.acceleration.endswith("native steps")
    for found, expected in zip(
        tokens(again.generate(IDS, **CALL)), tokens(quantized.generate(IDS, **CALL)), strict=True
    ):
        assert torch.equal(found, expected)


@native
def test_a_folder_is_the_same_without_the_kernels(quantized, tmp_path, monkeypatch):
    """Saved with them, loaded without, saved again: no byte differs."""
    quantized.save_pretrained(tmp_path / "native")
    monkeypatch.setattr(quantized_linear, "why_not", lambda: "switched off")
    plain = load(tmp_path / "native")
    assert not runs_natively(plain.semantic)
    plain.save_pretrained(tmp_path / "plain")
    for file in (tmp_path / "native").glob("*.safetensors"):
        assert file.read_bytes() == (tmp_path / "plain" / file.name).read_bytes(), file.name


@native
def test_a_copy_is_a_model_of_its_own(quantized):
    copied = copy.deepcopy(quantized)
    expected = tokens(quantized.generate(IDS, **CALL))
    copied.semantic.layers[0].layernorm_1.weight.data.zero_()
    for found, before in zip(tokens(quantized.generate(IDS, **CALL)), expected, strict=True):
        assert torch.equal(found, before)
    assert isinstance(copied.semantic.layers[0].mlp.in_proj, QuantizedLinear)


# --- building


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """An empty cache folder, and nothing loaded yet; the library of the other tests stays loaded."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return building.library.__wrapped__


@native
def test_compiled_once(fresh, tmp_path, monkeypatch):
    fresh()
    (file,) = (tmp_path / "bark_hf").iterdir()
    monkeypatch.setattr(building, "compile_to", lambda *args: pytest.fail("compiled again"))
    fresh()
    assert file.name.startswith("kernels-")


@native
def test_two_processes_at_once(fresh, tmp_path):
    """Both compile, both end with a whole library, and no half of one stays."""
    code = "from bark_hf.native.building import library; library().bark_prepare(1)"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert [file.suffix for file in (tmp_path / "bark_hf").iterdir()] == [".so"]


@native
def test_why_there_are_no_kernels(fresh, tmp_path, monkeypatch):
    def reason() -> str:
        with pytest.raises(building.NativeKernelsError) as caught:
            fresh()
        return str(caught.value)

    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no C++ compiler (no-such-compiler) found: install one" in reason()
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\necho 'error: disk full' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    assert "could not compile them (error: disk full)" in reason()
    assert not list((tmp_path / "bark_hf").iterdir())
    monkeypatch.setenv(building.SWITCH, "0")
    assert reason() == "switched off by BARK_HF_NATIVE=0"


@native
def test_a_cache_folder_that_can_not_be_written(fresh, tmp_path, monkeypatch):
    (tmp_path / "bark_hf").write_text("a file")
    folder = building.cache_folder()
    assert folder.is_dir()
    assert folder.parent != tmp_path


def test_without_kernels_the_line_says_why(monkeypatch, model):
    monkeypatch.setattr(quantized_linear, "why_not", lambda: "missing")
    monkeypatch.setattr("bark_hf.acceleration.accelerated_model.why_not", lambda: "missing")
    plain = optimize(copy.deepcopy(model), quantize="int8")
    assert plain.acceleration == "cpu: int8 weights, float32 activations, lean steps (native ones are missing)"
    assert plain.generate(IDS, **CALL).audio.isfinite().all()


def test_other_sizes_go_without(model):
    narrow = tiny_config()
    assert narrow.semantic_config.hidden_size % 64
    network = optimize(BarkModel(narrow).eval(), quantize="int8").semantic
    assert not runs_natively(network)
    assert isinstance(network.steps_factory, partial) or not hasattr(network, "steps_factory")
