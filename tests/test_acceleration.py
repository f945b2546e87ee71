"""Fast modes: each is held against plain float arithmetic, against the plain path, and against itself alone."""

from __future__ import annotations

import copy
import json
from functools import partial

import pytest
import torch
from tiny import tiny_model
from torch import nn

from bark_hf import BarkModel
from bark_hf.acceleration import AcceleratedBarkModel, load, low_memory, optimize, quantized_linear
from bark_hf.acceleration.graph_steps import GraphSteps, StaticStates
from bark_hf.acceleration.low_memory import STAGES, StageMover, attach
from bark_hf.acceleration.mode import Mode
from bark_hf.acceleration.products import MANY_ENGINE, STEP_ENGINE, Int4Product, Int8Product
from bark_hf.acceleration.prompt_attention import BLOCK, causal_blocks, full_blocks
from bark_hf.acceleration.quantized_linear import QuantizedLinear, quantized_state
from bark_hf.acceleration.rounding import from_int4, to_int4, to_int8
from bark_hf.generation.lean_fine import fine_logits, full_attention
from bark_hf.generation.lean_steps import LeanSteps, causal_attention
from bark_hf.generation.lean_trunk import is_lean
from bark_hf.generation.native_steps import FloatSteps
from bark_hf.generation.steps import CachedSteps, open_steps

IDS = torch.tensor([[60, 61, 62], [70, 71, 0]])
CALL = {"seed": [1, 2], "semantic_min_eos_p": None, "max_new_tokens": 12, "return_dict_in_generate": True}


@pytest.fixture(scope="module")
def model() -> BarkModel:
    return tiny_model()


@pytest.fixture(scope="module", params=["int8", "int4"])
def quantized(request, model) -> AcceleratedBarkModel:
    return optimize(copy.deepcopy(model), quantize=request.param)


@pytest.fixture(autouse=True)
def _no_grad():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


# --- products against the float product of the same rounded weights


@pytest.mark.parametrize("engine", [STEP_ENGINE, MANY_ENGINE])
def test_int8_product_is_the_product_of_rounded_weights(engine):
    weight, rows = torch.randn(48, 64), torch.randn(5, 64) * torch.tensor([1e-3, 1.0, 1e3, 10.0, 0.1])[:, None]
    ints, scale = to_int8(weight)
    assert (ints.float() * scale[:, None] - weight).abs().max() <= scale.max() / 2 * 1.001
    expected = rows @ (ints.float() * scale[:, None]).T
    found = Int8Product(ints, scale, engine)(rows)
    for row, exact in zip(found, expected, strict=True):  # small rows beside large ones keep their precision
        assert relative(row, exact) < 0.01


def test_an_int8_row_does_not_know_its_neighbours():
    product = Int8Product(*to_int8(torch.randn(48, 64)), STEP_ENGINE)
    rows = torch.randn(9, 64) * torch.logspace(-2, 2, 9)[:, None]
    together = product(rows)
    for i in range(9):
        assert torch.equal(together[i : i + 1], product(rows[i : i + 1]))


def test_an_int8_sequence_does_not_know_its_neighbours(monkeypatch):
    """oneDNN's last bits depend on the number of rows that it is given."""
    monkeypatch.setattr(quantized_linear, "why_not", lambda: "switched off")
    layer = QuantizedLinear(quantized_state(nn.Linear(64, 48), "int8", "both"), "both")
    x = torch.randn(3, 7, 64)
    together = layer(x)
    for i in range(3):
        assert torch.equal(together[i : i + 1], layer(x[i : i + 1]))


def test_a_row_of_zeros_gives_zeros():
    assert torch.equal(Int8Product(*to_int8(torch.randn(32, 64)), STEP_ENGINE)(torch.zeros(1, 64)), torch.zeros(1, 32))


@pytest.mark.parametrize("n_in", [32, 64, 96, 128])
def test_int4_product_is_the_product_of_rounded_weights(n_in):
    weight, rows = torch.randn(64, n_in), torch.randn(3, n_in)
    pairs, scales = to_int4(weight)
    rounded = from_int4(pairs, scales)
    assert relative(rounded, weight) < 0.12
    product = Int4Product(pairs, scales)
    found = product(rows)
    assert relative(found, rows.bfloat16().float() @ rounded.T) < 0.01
    assert torch.equal(found[1:2], product(rows[1:2]))


def test_int4_rounding_is_no_worse_than_the_plain_one():
    """The shrunk ranges are only taken where they help."""
    weight = torch.randn(8, 64) ** 3
    low, high = weight.amin(1, keepdim=True), weight.amax(1, keepdim=True)
    plain = ((weight - low) / (high - low) * 15).round() / 15 * (high - low) + low
    assert (from_int4(*to_int4(weight)) - weight).norm() <= (plain - weight).norm() * 1.01


@pytest.mark.parametrize("use", ["step", "many", "both"])
@pytest.mark.parametrize("kind", ["int8", "int4"])
def test_quantized_linear_keeps_bias_shape_and_state(kind, use):
    layer = nn.Linear(64, 96)
    quantized = QuantizedLinear(quantized_state(layer, kind, use), use)
    for shape in ((3, 1, 64), (2, 7, 64), (5, 64), (64,)):
        x = torch.randn(shape)
        assert quantized(x).shape == (*shape[:-1], 96)
        assert relative(quantized(x), layer(x)) < (0.02 if kind == "int8" else 0.2)
    again = QuantizedLinear(quantized.state_dict(), use)
    x = torch.randn(2, 1, 64)
    assert torch.equal(again(x), quantized(x))
    assert torch.equal(again(x.expand(2, 4, 64)), quantized(x.expand(2, 4, 64)))


def test_int4_needs_whole_groups():
    with pytest.raises(ValueError, match="multiple of 32, not 40: use int8"):
        to_int4(torch.randn(8, 40))


# --- attention and steps against PyTorch's attention and the network's forward


@pytest.mark.parametrize("length", [1, BLOCK, BLOCK + 5, 3 * BLOCK - 1])
def test_blocks_of_attention_are_attention(length):
    qkv = torch.randn(2, length, 3, 2, 16)
    assert relative(causal_blocks(qkv), causal_attention(qkv)) < 0.02
    assert relative(full_blocks(qkv), full_attention(qkv)) < 0.02


def graph_steps(*args, **options):
    return GraphSteps(*args, states=StaticStates(capture=False, **options))


STEPS = {"lean": LeanSteps, "static": graph_steps, "compiled": partial(graph_steps, compile=True, backend="eager")}


def play(make, network) -> list[torch.Tensor]:
    """Prompts of two lengths, steps, a dropped row, more steps, one prompt anew, and a last step."""
    generator = torch.Generator().manual_seed(3)
    embeds = torch.randn(4, 9, network.config.hidden_size, generator=generator)
    steps, seen = make(network, 4, 24), []
    steps.prefill([0, 2, 3], embeds[:3])
    steps.prefill([1], embeds[3:, :5])
    seen += [steps.step(torch.tensor([5, 6, 7, 8]) + n, (100, 200) if n % 2 else None) for n in range(4)]
    steps.keep([0, 1, 3])
    seen += [steps.step(torch.tensor([1, 2, 3]), None) for _ in range(2)]
    steps.prefill([2], embeds[:1, :7])
    steps.keep([1, 2])
    seen.append(steps.step(torch.tensor([1, 2]), None))
    steps.keep([1])
    seen.append(steps.step(torch.tensor([9]), (0, 50)))
    return seen


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("part", ["semantic", "coarse_acoustics"])
def test_steps_are_the_network(model, name, part):
    if name == "compiled" and part == "semantic":
        pytest.skip("one network is enough")
    network = getattr(model, part)
    for found, expected in zip(play(STEPS[name], network), play(CachedSteps, network), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_static_states_are_used_again(model):
    """A second call finds buffers and recordings, and is not disturbed by what the first left there."""
    recorded = []

    def recorder(work):
        recorded.append(work)
        return work

    states = StaticStates(capture=True, recorder=recorder)
    make = partial(GraphSteps, states=states)
    first, count = play(make, model.semantic), len(recorded)
    for again, before in zip(play(make, model.semantic), first, strict=True):
        assert torch.equal(again, before)
    assert len(recorded) == count == len({(4, None), (4, (100, 200)), (2, None), (1, (0, 50))})
    state = states.get(model.semantic, 2, 20)
    assert states.get(model.semantic, 9, 20) is not state  # too small


def test_lean_fine_windows_are_the_network(model):
    codes = torch.randint(0, 1024, (2, 40, 8))
    for k in (2, 7):
        expected = model.fine_acoustics(k, input_ids=codes).logits[:, :, :1024]
        torch.testing.assert_close(fine_logits(model.fine_acoustics, k, codes, 1024), expected, atol=1e-4, rtol=1e-4)


def test_lean_path_gives_way(model):
    """Whoever watches, replaces or trains a module gets the network's own forward."""
    network = copy.deepcopy(model.semantic)
    assert isinstance(open_steps(network, 1, 8), (LeanSteps, FloatSteps))
    hook = network.layers[1].attn.register_forward_hook(lambda *args: None)
    assert isinstance(open_steps(network, 1, 8), CachedSteps)
    hook.remove()
    network.forward = network.forward
    assert not is_lean(network)
    del network.forward
    assert not is_lean(network.train())
    network.eval().set_attn_implementation("eager")
    assert not is_lean(network)


# --- whole models


def tokens(output) -> list[torch.Tensor]:
    return [output.semantic_tokens, output.coarse_codes, output.fine_codes]


def test_without_options_tokens_stay(model):
    plain = copy.deepcopy(model)
    for network in (plain.semantic, plain.coarse_acoustics):
        network.steps_factory = CachedSteps
    fast = optimize(copy.deepcopy(model))
    for found, expected in zip(tokens(fast.generate(IDS, **CALL)), tokens(plain.generate(IDS, **CALL)), strict=True):
        assert torch.equal(found, expected)
    assert fast.acceleration == "cpu: float32 weights, lean decode steps"


def test_quantized_logits_are_near(model, quantized):
    """The network's own forward has the quantised weights too, so that losses can be measured."""
    ids = torch.randint(0, 1000, (2, 12))
    found, expected = quantized.coarse_acoustics(ids).logits, model.coarse_acoustics(ids).logits
    assert relative(found, expected) < 0.15
    step = play(quantized.coarse_acoustics.steps_factory, quantized.coarse_acoustics)
    limit = 0.15 if quantized.mode.quantize == "int8" else 0.6  # int4 of 32 random inputs is coarse
    for found, expected in zip(step, play(CachedSteps, model.coarse_acoustics), strict=True):
        assert relative(found, expected) < limit


def test_a_quantized_item_does_not_know_its_neighbours(quantized):
    both = quantized.generate(IDS, **CALL)
    for i, seed in enumerate(CALL["seed"]):
        alone = quantized.generate(IDS[i : i + 1], **{**CALL, "seed": seed})
        for name in ("semantic_tokens", "coarse_codes", "fine_codes"):
            assert torch.equal(getattr(both, name)[i : i + 1], getattr(alone, name)), name


def test_saved_and_loaded(quantized, tmp_path):
    quantized.save_pretrained(tmp_path / "fast")
    again = load(tmp_path / "fast")
    assert again.acceleration == quantized.acceleration
    for found, expected in zip(
        tokens(again.generate(IDS, **CALL)), tokens(quantized.generate(IDS, **CALL)), strict=True
    ):
        assert torch.equal(found, expected)
    assert not any(type(module) is nn.Linear for module in again.semantic.modules())
    again.save_pretrained(tmp_path / "again")
    for name in ("semantic", "semantic.quantized", "coarse_acoustics.quantized", "fine_acoustics"):
        files = [(tmp_path / folder / f"{name}.safetensors").read_bytes() for folder in ("fast", "again")]
        assert files[0] == files[1], name
    assert isinstance(AcceleratedBarkModel.from_pretrained(tmp_path / "fast"), AcceleratedBarkModel)
    with pytest.raises(TypeError, match="without max_shard_size"):
        quantized.save_pretrained(tmp_path / "fast", max_shard_size=1)


def test_unquantized_models_save_as_ever(model, tmp_path):
    fast = optimize(copy.deepcopy(model), dtype="bfloat16")
    assert (fast.semantic.dtype, fast.codec_model.dtype) == (torch.bfloat16, torch.float32)
    assert fast.generate(IDS, **CALL).audio.isfinite().all()
    fast.save_pretrained(tmp_path)
    again = BarkModel.from_pretrained(tmp_path)
    assert torch.equal(again.semantic.lm_head.weight, fast.semantic.lm_head.weight)


def test_folders_that_can_not_be_loaded(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no acceleration.json.*BarkModel.from_pretrained"):
        load(tmp_path)
    (tmp_path / "acceleration.json").write_text(json.dumps({"format": 9, "quantize": "int8"}))
    with pytest.raises(ValueError, match=r"format 9.*reads format 1"):
        load(tmp_path)
    (tmp_path / "acceleration.json").write_text("[]")
    with pytest.raises(ValueError, match="save the model again"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantize": "int3"}, "quantize='int3' is unknown: it is one of int8, int4"),
        ({"cuda_graphs": True}, "cuda_graphs=True needs a CUDA device, and the model is on cpu"),
        ({"compile": True}, "compile=True needs a CUDA device"),
        ({"quantize": "int8", "dtype": torch.bfloat16}, "leave out dtype=torch.bfloat16"),
        ({"dtype": torch.int8}, "take float32, float16 or bfloat16"),
        ({"dtype": "float16"}, "float16 is slow on a CPU: take dtype=torch.bfloat16"),
    ],
)
def test_options_that_can_not_be(model, options, message):
    before = model.semantic.lm_head
    with pytest.raises(ValueError, match=message):
        optimize(model, **options)
    assert model.semantic.lm_head is before
    assert type(model) is BarkModel


def test_modes_of_a_gpu():
    cuda = torch.device("cuda", 0)
    mode = Mode.choose(cuda, torch.float32, None, torch.bfloat16, True, True)
    assert str(mode) == "cuda: bfloat16 weights, compiled steps and fine windows, decode steps as CUDA graphs"
    with pytest.raises(ValueError, match="quantize='int4' has kernels for the CPU only, and the model is on cuda:0"):
        Mode.choose(cuda, torch.float32, "int4", None, False, False)


def test_models_that_can_not_be_optimized(model, quantized):
    with pytest.raises(ValueError, match=r"optimised already \(cpu: int"):
        optimize(quantized)
    with pytest.raises(TypeError, match="needs a BarkModel, not Linear"):
        optimize(nn.Linear(2, 2))
    adapted = copy.deepcopy(model)
    adapted.coarse_acoustics.layers[0].mlp.in_proj = nn.Sequential(nn.Linear(32, 128))
    adapted.coarse_acoustics.layers[0].mlp.out_proj = nn.utils.parametrizations.weight_norm(nn.Linear(128, 32))
    with pytest.raises(ValueError, match=r"out_proj is a Parametrized\w+, not a plain linear layer: merge adapters"):
        optimize(adapted, quantize="int8")
    with pytest.raises(ValueError, match="A quantised model is for the CPU"):
        quantized.to("meta")


# --- memory


def test_stages_come_when_they_are_needed(model):
    """In any order, one at a time. Devices are played: everything stays on the CPU and moves are written down."""
    small = copy.deepcopy(model)
    where, most = {}, []

    def move(stage, device):
        where[id(stage)] = device.index
        most.append(sum(index == 7 for index in where.values()))

    mover = StageMover({name: getattr(small, name) for name in STAGES}, torch.device("cpu", 7), move)
    mover.device = torch.device("cpu")  # where tensors can really go
    attach(small, mover)
    mover.device = torch.device("cpu", 0)
    order = []
    bring = mover.bring
    mover.bring = lambda name: (order.append(name), bring(name))
    for found, expected in zip(tokens(small.generate(IDS, **CALL)), tokens(model.generate(IDS, **CALL)), strict=True):
        assert torch.equal(found, expected)
    assert list(dict.fromkeys(order)) == list(STAGES)
    small.coarse_acoustics(torch.tensor([[1, 2]]))
    assert mover.present == "coarse_acoustics"
    small.semantic.generate(IDS, max_new_tokens=2)
    assert mover.present == "semantic"
    assert max(most) <= 1
    with pytest.raises(ValueError, match="moved while it runs already"):
        low_memory(small)
    with pytest.raises(ValueError, match="moved while it runs: load the model on one device"):
        optimize(small)


def test_low_memory_drops_the_encoder(model):
    small = low_memory(copy.deepcopy(model))
    assert torch.equal(small.generate(IDS, **CALL).audio, model.generate(IDS, **CALL).audio)
    with pytest.raises(RuntimeError, match="dropped the codec's encoder"):
        small.codec_model.encode(torch.zeros(1, 1, 640))
