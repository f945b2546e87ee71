"""Which example comes when, and in which layout: a pure function of the seed and the place in the run.

So a run that was killed goes on with the examples that it would have had, whatever processes make or prefetch them.
Knows lengths and places; knows no tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch.utils.data import Dataset, Sampler

POOL = 50  # batches among which clips are sorted by length


class Place(NamedTuple):
    """One example of a run: which pass over the data, which clip, and whether in generation's full layout."""

    epoch: int
    clip: int
    full_layout: bool


class Examples(Protocol):
    """What a stage's examples offer."""

    full_layout: bool

    def set_epoch(self, epoch: int) -> None: ...
    def collate(self, examples: Sequence[Any]) -> dict[str, Any]: ...
    def __getitem__(self, index: int) -> Any: ...
    def __len__(self) -> int: ...


class Item(NamedTuple):
    """One example on its way into a batch, with what collates it."""

    examples: Examples
    full_layout: bool
    example: Any


def collate(items: Sequence[Item]) -> dict[str, Any]:
    """A batch of examples of one stage, in the layout of the first."""
    examples = items[0].examples
    examples.full_layout = items[0].full_layout
    return examples.collate([item.example for item in items])


class RunExamples(Dataset):
    """Examples by their place in the run.

    Args:
        examples: of a stage.
        n_examples: length of the run.
    """

    def __init__(self, examples: Examples, n_examples: int):
        self.examples, self.n_examples = examples, n_examples

    def __len__(self) -> int:
        return self.n_examples

    def __getitem__(self, place: Place) -> Item:
        self.examples.set_epoch(place.epoch)
        return Item(self.examples, place.full_layout, self.examples[place.clip])


class EvaluationExamples(Dataset):
    """The same examples at each evaluation, in the full layout; of few clips, several windows each.

    Args:
        examples: of a stage.
        least: so many examples at least.
    """

    def __init__(self, examples: Examples, least: int):
        self.examples, self.n_epochs = examples, max(1, -(-least // len(examples)))

    def __len__(self) -> int:
        return self.n_epochs * len(self.examples)

    def __getitem__(self, number: int) -> Item:
        epoch, index = divmod(number, len(self.examples))
        self.examples.set_epoch(epoch)
        return Item(self.examples, True, self.examples[index])


class RunOrder(Sampler[Place]):
    """Every place of a run, in order, over as many passes as it takes.

    Clips are shuffled anew in each pass. With `group`, the stream is cut into pools of 50 batches; in a pool clips are
    sorted by length, cut into batches, and the batches are shuffled.

    Args:
        lengths: of the clips, for grouping; only their order matters.
        batch_size: examples per process and forward.
        n_examples: length of the run, a multiple of `batch_size`.
        full_from: place from which examples have the full layout.
        seed: of the order.
        group: batches of similar length.
    """

    def __init__(
        self, lengths: Sequence[int], batch_size: int, n_examples: int, full_from: int, seed: int, group: bool = True
    ):
        self.lengths, self.batch_size, self.n_examples = lengths, batch_size, n_examples
        self.full_from, self.seed, self.group = full_from, seed, group

    def __len__(self) -> int:
        return self.n_examples

    def __iter__(self) -> Iterator[Place]:
        stream = self._shuffled_passes()
        place = 0
        for number in range(-(-self.n_examples // (POOL * self.batch_size))):
            for batch in self._pool(stream, number):
                full = place >= self.full_from
                for epoch, clip in batch:
                    if place == self.n_examples:
                        return
                    yield Place(epoch, clip, full)
                    place += 1

    def _shuffled_passes(self) -> Iterator[tuple[int, int]]:
        epoch = 0
        while True:
            order = np.random.default_rng([self.seed, epoch, 0]).permutation(len(self.lengths))
            yield from ((epoch, clip) for clip in order.tolist())
            epoch += 1

    def _pool(self, stream: Iterator[tuple[int, int]], number: int) -> list[list[tuple[int, int]]]:
        clips = [next(stream) for _ in range(POOL * self.batch_size)]
        if self.group:
            clips.sort(key=lambda clip: self.lengths[clip[1]])
        batches = [clips[i : i + self.batch_size] for i in range(0, len(clips), self.batch_size)]
        if self.group:
            order = np.random.default_rng([self.seed, number, 1]).permutation(len(batches))
            batches = [batches[i] for i in order]
        return batches


__all__ = ["EvaluationExamples", "Place", "RunExamples", "RunOrder", "collate"]
