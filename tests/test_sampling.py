"""Drawing of tokens: distributions counted, warpers against Suno's NumPy code, seeds and their independence."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bark_hf import BarkSemanticGenerationConfig
from bark_hf.generation.logits_process import (
    AlternatingCodebooksLogitsProcessor,
    EosPrioritizerLogitsProcessor,
    SuppressOtherTokensLogitsProcessor,
)
from bark_hf.generation.sampling import ItemNoise, StepNoise, draw, item_seeds, mix_seed, warp


def config(**options) -> BarkSemanticGenerationConfig:
    return BarkSemanticGenerationConfig(**({"temperature": 1.0} | options))


def suno_probabilities(logits: np.ndarray, temp: float, top_k: int | None, top_p: float | None) -> np.ndarray:
    """`generate_text_semantic`'s lines between the network and the draw, in NumPy."""
    logits = logits.astype(np.float64).copy()
    if top_p is not None:
        order = np.argsort(logits)[::-1]
        ordered = logits[order]
        cumulative = np.cumsum(np.exp(ordered - ordered.max()) / np.exp(ordered - ordered.max()).sum())
        remove = cumulative > top_p
        remove[1:] = remove[:-1].copy()
        remove[0] = False
        logits[order[remove]] = -np.inf
    if top_k is not None:
        threshold = np.sort(logits)[::-1][min(top_k, logits.size) - 1]
        logits[logits < threshold] = -np.inf
    scaled = logits / temp
    p = np.exp(scaled - scaled.max())
    return p / p.sum()


@pytest.mark.parametrize("temp", [0.3, 0.7, 1.0, 1.9])
@pytest.mark.parametrize("top_k", [None, 1, 5, 1000])
@pytest.mark.parametrize("top_p", [None, 0.05, 0.5, 0.95])
def test_warpers_are_sunos(temp, top_k, top_p):
    logits = np.random.default_rng(3).normal(0, 2, 200)
    scores = warp(torch.tensor(logits, dtype=torch.float32)[None], config(temperature=temp, top_k=top_k, top_p=top_p))
    expected = suno_probabilities(logits, temp, top_k, top_p)
    np.testing.assert_allclose(scores.softmax(-1)[0].numpy(), expected, atol=1e-6)


def test_greedy_keeps_the_untempered_distribution():
    scores = torch.randn(2, 50)
    for greedy in (config(do_sample=False, temperature=0.1), config(temperature=0), config(temperature=None)):
        assert torch.equal(warp(scores, greedy), scores)
        assert greedy.greedy


def test_draw_follows_the_distribution():
    """Counts of 200,000 draws against the probabilities (chi-square, 9 degrees of freedom, p = 1e-5: 39)."""
    scores = torch.tensor([0.1, 2.0, -1.0, 0.0, 1.0, -math.inf, 0.5, 1.5, -2.0, 0.3, 0.7])
    n = 200_000
    counts = torch.bincount(draw(scores.expand(n, -1), ItemNoise(0, "fine").draw(n, 11)), minlength=11)
    expected = scores.softmax(-1) * n
    assert counts[5] == 0
    keep = expected > 0
    assert ((counts[keep] - expected[keep]) ** 2 / expected[keep]).sum() < 39


def test_noise_is_gumbel():
    """Mean and variance of the Gumbel distribution (0.5772 and pi^2 / 6), and no infinity at either end."""
    noise = ItemNoise(1, "semantic").draw(2_000_000)
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.004)
    assert noise.var().item() == pytest.approx(math.pi**2 / 6, abs=0.01)
    assert torch.isfinite(noise).all()


def test_noise_is_finite_where_the_uniform_number_is_zero(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda shape, generator: torch.zeros(shape))
    noise = ItemNoise(1, "semantic").draw(3)
    assert torch.isfinite(noise).all()


def test_greedy_draw_is_argmax():
    scores = torch.randn(4, 3, 20)
    assert torch.equal(draw(scores, None), scores.argmax(-1))


def test_noise_depends_on_seed_and_stage_and_not_on_how_it_is_asked_for():
    whole = ItemNoise(5, "coarse").draw(500)
    pieces = ItemNoise(5, "coarse")
    assert torch.equal(torch.cat([pieces.draw(n) for n in (1, 7, 100, 392)]), whole)
    assert torch.equal(ItemNoise(5, "coarse").draw(41, 3).flatten(), whole[:123])
    for seed, stage in ((6, "coarse"), (5, "fine"), (5, "semantic"), (5 + 2**32, "coarse"), (5 + 2**62, "coarse")):
        assert not torch.equal(ItemNoise(seed, stage).draw(500), whole)


def test_seeds_spread_over_torchs_32_bits():
    """Torch's CPU generator looks at 32 bits of a seed; neighbours and high bits must not collide."""
    seeds = [*range(2_000), *(2**32 + n for n in range(2_000)), *(n << 40 for n in range(1, 2_000))]
    mixed = {mix_seed(seed, stream) for seed in seeds for stream in (1, 2, 3)}
    assert len(mixed) > 3 * len(seeds) - 5  # 18,000 draws of 32 bits: 0.04 collisions expected
    assert all(0 <= value < 2**32 for value in mixed)


def test_step_noise_is_each_items_own():
    """Rows may leave, and blocks end; row r always sees the next numbers of its own seed."""
    width, steps = 7, 3 * StepNoise.block + 5
    noise = StepNoise([1, 2, 3], "coarse", width, torch.device("cpu"))
    expected = [ItemNoise(seed, "coarse").draw(steps + StepNoise.block, width) for seed in (1, 2, 3)]
    rows = torch.tensor([0, 1, 2])
    for n in range(steps):
        if n == 40:
            rows = torch.tensor([0, 2])
        drawn = noise.step(n, rows)
        for place, row in enumerate(rows.tolist()):
            assert torch.equal(drawn[place], expected[row][n])


def test_seeds():
    assert item_seeds(7, 3) == [7, 7, 7]
    assert item_seeds([7, 9], 2) == [7, 9]
    assert item_seeds([7, 20], 2, n_sequences=3) == [7, 8, 9, 20, 21, 22]
    torch.manual_seed(0)
    first = item_seeds(None, 4)
    torch.manual_seed(0)
    assert item_seeds(None, 4) == first
    assert len(set(first)) == 4


@pytest.mark.parametrize(
    ("seed", "error", "message"),
    [
        ([1, 2], ValueError, "seed has 2 values for 3 items"),
        ("7", TypeError, "seed='7' must be an int"),
        (1.5, TypeError, "seed=1.5 must be an int"),
        (True, TypeError, "seed=True"),
        (-1, ValueError, "seed=-1 must be at least 0"),
        (2**63, ValueError, "below 2\\*\\*63"),
    ],
)
def test_wrong_seeds(seed, error, message):
    with pytest.raises(error, match=message):
        item_seeds(seed, 3)


def test_suppress_processor():
    scores = torch.randn(2, 30)
    allowed = SuppressOtherTokensLogitsProcessor(3, 8, also=(20,))(None, scores)
    finite = torch.zeros(30, dtype=torch.bool)
    finite[[3, 4, 5, 6, 7, 20]] = True
    assert torch.equal(torch.isfinite(allowed), finite.expand(2, -1))
    assert torch.equal(allowed[:, finite], scores[:, finite])


def test_alternating_codebooks_are_bounded_at_both_ends():
    """Ids 12,048 and up (pad, infer) follow the second codebook and must not be drawn; Transformers allows them."""
    processor = AlternatingCodebooksLogitsProcessor(4, 10_000, 1_024)
    scores = torch.randn(1, 12_096)
    for n_generated, first in ((0, 10_000), (1, 11_024), (2, 10_000)):
        out = processor(torch.zeros(1, 4 + n_generated, dtype=torch.long), scores)
        assert torch.isfinite(out[0]).nonzero().flatten().tolist() == list(range(first, first + 1_024))


@pytest.mark.parametrize(("p", "ends"), [(0.2499999, False), (0.25, True), (0.3, True)])
def test_eos_prioritizer_uses_at_least(p, ends):
    """Suno stops at ``>=``. float32 holds 0.25 exactly."""
    scores = torch.tensor([[1 - p, p]], dtype=torch.float64).log()
    out = EosPrioritizerLogitsProcessor(1, 0.25)(None, scores)
    assert torch.isinf(out[0, 0]).item() is ends


@pytest.mark.parametrize("value", [0, -0.1, 1.1, math.nan])
def test_eos_prioritizer_refuses_what_is_no_probability(value):
    with pytest.raises(ValueError, match="min_eos_p"):
        EosPrioritizerLogitsProcessor(1, value)
