"""Fixtures: one tiny model and one tiny checkpoint folder for the whole session. No network, one thread."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_CACHE"] = tempfile.mkdtemp(prefix="bark-hf-hub-")  # read when huggingface_hub is imported
atexit.register(shutil.rmtree, os.environ["HF_HUB_CACHE"], ignore_errors=True)

import pytest
import torch
from tiny import add_to_hub_cache, tiny_checkpoint, tiny_model

from bark_hf import BarkGenerationConfig

torch.set_num_threads(1)  # tiny tensors gain nothing from more, and parallel test workers fight over cores


@pytest.fixture(scope="session")
def model():
    """A tiny model; tests must not change it (deepcopy first)."""
    return tiny_model()


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A tiny checkpoint in the Hub's layout; tests must not write into it."""
    return tiny_checkpoint(tmp_path_factory.mktemp("tiny-bark"))


@pytest.fixture(scope="session")
def hub(checkpoint):
    """A Hub cache in which the tiny checkpoint is "suno/bark-small", limited to 40 semantic tokens."""
    cache = Path(os.environ["HF_HUB_CACHE"])
    snapshot = add_to_hub_cache(checkpoint, cache, "suno/bark-small")
    config = BarkGenerationConfig(semantic_config={"max_new_tokens": 40, "min_eos_p": None})
    (snapshot / "generation_config.json").unlink()
    config.save_pretrained(snapshot)
    return cache
