"""Window arithmetic and token streams against Suno's formulas, written out with NumPy as in its code."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bark_hf import tokens


@pytest.mark.parametrize("n_semantic", [1, 2, 3, 50, 99, 100, 150, 395, 767, 768])
def test_coarse_steps(n_semantic):
    ratio = 75 / 49.9 * 2
    expected = round(np.floor(n_semantic * ratio / 2) * 2)
    assert tokens.CoarseRules().n_steps(n_semantic) == expected


@pytest.mark.parametrize("max_history", [60, 300, 630])
def test_history_lengths_and_window_starts(max_history):
    rules = tokens.CoarseRules(max_history=max_history)
    ratio = 75 / 49.9 * 2
    max_semantic = int(np.floor(max_history / ratio))
    rng = np.random.default_rng(0)
    for n_semantic in rng.integers(1, 900, 60):
        n_coarse = 2 * round(n_semantic * 75 / 49.9)
        hist = np.min([max_semantic, n_semantic - n_semantic % 2, int(np.floor(n_coarse / ratio))])
        assert rules.history_lengths(int(n_semantic), n_coarse) == (hist, round(hist * ratio))
        for steps in range(0, 2000, 60):
            position = hist + round(steps / ratio)
            assert rules.semantic_start(int(hist), steps) == np.max([0, position - max_semantic])


def test_coarse_window_prompts_grow_for_the_first_four_seconds():
    """The saving that bark-facts promises: without a voice, 11 windows (4.4 s) share one prefix."""
    rules = tokens.CoarseRules()
    starts = [rules.semantic_start(0, steps) for steps in range(0, 720, 60)]
    assert starts[:11] == [0] * 11
    assert starts[11] > 0


@pytest.mark.parametrize("n_history", [0, 1, 300, 512])
@pytest.mark.parametrize("n_frames", [1, 511, 512, 513, 1023, 1024, 1025, 1300, 1536, 3000])
def test_fine_windows(n_frames, n_history):
    total = max(1024, n_history + n_frames)
    n_loops = np.max([0, int(np.ceil((n_frames - (1024 - n_history)) / 512))]) + 1
    expected = [(np.min([n * 512, total - 1024]), np.min([n_history + n * 512, total - 512])) for n in range(n_loops)]
    windows = tokens.fine_windows(n_frames, n_history)
    assert windows == expected
    written = np.zeros(total, bool)
    for window in windows:
        written[window.fill : window.start + 1024] = True
    assert written[n_history : n_history + n_frames].all()


@pytest.mark.parametrize("seconds", [0.01, 1.0, 2.0, 3.0, 7.9, 10.0, 15.0, 100.0])
def test_duration_rule(seconds):
    n, total = 0, 0
    for _ in range(768):
        n, total = n + 1, total + 1 / 49.9
        if total > seconds:
            break
    assert tokens.max_tokens_for_duration(seconds, ceiling=768) == n


def test_flatten_and_unflatten():
    codes = torch.randint(0, 1024, (2, 7))
    flat = tokens.flatten_codes(codes, 10_000)
    assert flat.tolist() == [v for a, b in codes.T.tolist() for v in (10_000 + a, 11_024 + b)]
    assert torch.equal(tokens.unflatten_codes(flat, 10_000), codes)


def test_padding():
    assert tokens.right_pad(torch.tensor([1, 2, 3]), 5, 9).tolist() == [1, 2, 3, 9, 9]
    assert tokens.right_pad(torch.tensor([1, 2, 3]), 2, 9).tolist() == [1, 2]
    stacked = tokens.pad_stack([torch.ones(2, 1), torch.ones(2, 3), torch.ones(2, 0)], 7)
    assert stacked.tolist() == [[[1, 7, 7]] * 2, [[1, 1, 1]] * 2, [[7, 7, 7]] * 2]
