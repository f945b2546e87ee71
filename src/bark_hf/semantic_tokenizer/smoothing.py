"""The best path through per-frame scores when changing the token costs something. Knows scores and nothing else."""

from __future__ import annotations

import torch


def smooth_path(log_probs: torch.Tensor, switching_penalty: float) -> torch.Tensor:
    """The token sequence of the highest sum of scores, less `switching_penalty` for each change (Viterbi).

    Frame by frame the best path into token v either stayed at v or came from the best of all tokens, so a frame costs
    O(V), not O(V * V).

    Args:
        log_probs: float [S, V], log probabilities of V tokens in S frames.
        switching_penalty: >= 0, in nats; 0 is the plain argmax.

    Returns:
        int64 [S].
    """
    if switching_penalty == 0 or log_probs.shape[0] < 2:
        return log_probs.argmax(dim=-1)
    scores = log_probs.detach().cpu().double()
    n_frames, n_tokens = scores.shape
    tokens = torch.arange(n_tokens)
    came_from = torch.empty(n_frames, n_tokens, dtype=torch.int64)
    best = scores[0]
    for frame in range(1, n_frames):
        leader = best.argmax()
        changed = best[leader] - switching_penalty
        came_from[frame] = torch.where(best >= changed, tokens, leader)
        best = torch.maximum(best, changed) + scores[frame]
    path = torch.empty(n_frames, dtype=torch.int64)
    path[-1] = best.argmax()
    for frame in range(n_frames - 1, 0, -1):
        path[frame - 1] = came_from[frame, path[frame]]
    return path


__all__ = ["smooth_path"]
