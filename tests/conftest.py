"""Fixtures: one tiny model and one tiny checkpoint folder for the whole session. No network, two threads."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from tiny import tiny_checkpoint, tiny_model

torch.set_num_threads(min(2, os.cpu_count() or 1))


@pytest.fixture(scope="session")
def model():
    """A tiny model; tests must not change it (deepcopy first)."""
    return tiny_model()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A tiny checkpoint in the Hub's layout; tests must not write into it."""
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny-bark"))
