"""Fixtures: one tiny model and one tiny checkpoint folder for the whole session. No network, one thread."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
from tiny import tiny_checkpoint, tiny_model

torch.set_num_threads(1)  # tiny tensors gain nothing from more, and parallel test workers fight over cores


@pytest.fixture(scope="session")
def model():
    """A tiny model; tests must not change it (deepcopy first)."""
    return tiny_model()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A tiny checkpoint in the Hub's layout; tests must not write into it."""
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny-bark"))
