"""The models that Suno's functions share: from which checkpoint, loaded once, on which device.

Knows checkpoints, parts and devices; knows no stage. `models` and `models_devices` are the dictionaries that scripts
look into: "text" (a dictionary of the network, "model", and its "tokenizer"), "coarse", "fine" and "codec".
"""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch

from ..demo import demo_path
from ..generation_configuration_bark import BarkGenerationConfig
from ..modeling_bark import BarkModel
from ..processing_bark import BarkProcessor
from ..tokens import SAMPLE_RATE
from .codec import SunoCodec

MODEL_VARIABLE = "BARK_HF_MODEL"
PARTS = {"text": "semantic", "coarse": "coarse_acoustics", "fine": "fine_acoustics", "codec": "codec_model"}

models: dict[str, Any] = {}
models_devices: dict[str, str] = {}


class Origin(NamedTuple):
    """What a loaded part came with."""

    generation_config: BarkGenerationConfig
    processor: BarkProcessor
    movable: bool  # not a part of a model that the caller keeps


class Given(NamedTuple):
    """A model that the caller has loaded."""

    model: BarkModel
    processor: BarkProcessor


_lock = threading.RLock()
_chosen: str | Given | None = None
_origins: WeakKeyDictionary[torch.nn.Module, Origin] = WeakKeyDictionary()
_spare: dict[tuple[str, str], torch.nn.Module] = {}  # (source, part): read with another part, not asked for yet
_processors: dict[str, BarkProcessor] = {}


def use_model(model: Any, processor: BarkProcessor | None = None) -> None:
    """Speak with another checkpoint than Suno's; what is loaded is dropped.

    Args:
        model: a folder; a name on the Hub; "demo" for the checkpoint inside this package; a `BarkModel`, which stays on
            its device; or None for the environment variable BARK_HF_MODEL and, without one, Suno's checkpoints. The
            small-model switches mean nothing for a checkpoint that is named here.
        processor: of a `BarkModel`; by default that of the checkpoint it was loaded from.

    Raises:
        FileNotFoundError: if there is no such folder, or this installation has no demo checkpoint.
        ValueError: for a `BarkModel` that was not loaded from a checkpoint, without a processor.
    """
    global _chosen
    if isinstance(model, BarkModel):
        if processor is None and not model.name_or_path:
            raise ValueError(
                "This BarkModel was not loaded from a checkpoint: give its processor too, use_model(model, processor)."
            )
        chosen: str | Given | None = Given(model, processor or BarkProcessor.from_pretrained(model.name_or_path))
    else:
        chosen = None if model is None else _resolved(os.fspath(model))
    with _lock:
        _chosen = chosen
        clean_models()


def current_source(use_small: bool) -> str | Given:
    """The checkpoint to load from: `use_model`'s, the environment's, or Suno's of the wanted size."""
    if _chosen is not None:
        return _chosen
    named = os.environ.get(MODEL_VARIABLE)
    return _resolved(named) if named else f"suno/bark{'-small' if use_small else ''}"


def _resolved(name: str) -> str:
    return demo_path() if name == "demo" else str(Path(name).expanduser())


def processor_of(source: str | Given) -> BarkProcessor:
    """The tokenizer and voices of a checkpoint, read once."""
    if isinstance(source, Given):
        return source.processor
    with _lock:
        if source not in _processors:
            _processors[source] = BarkProcessor.from_pretrained(source)
        return _processors[source]


def network_of(key: str) -> torch.nn.Module:
    """The loaded part `key`."""
    return models[key]["model"] if key == "text" else models[key]


def origin_of(key: str) -> Origin | None:
    """What the loaded part `key` came with; None if it is not loaded."""
    with _lock:
        return _origins[network_of(key)] if key in models else None


def load_part(key: str, source: str | Given, device: str, offload: bool, force_reload: bool = False) -> Any:
    """Load one part unless it is there, and put it on its device.

    Args:
        key: of `PARTS`.
        source: see `current_source`.
        device: where it computes.
        offload: whether it waits on the CPU between calls.
        force_reload: read its file again.

    Returns:
        `models[key]`.

    Raises:
        ValueError: for a checkpoint whose sound has another rate than Suno's `SAMPLE_RATE`.
        OSError: if the checkpoint can't be found or read.
    """
    with _lock:
        if force_reload:
            clean_models(key)
        if key not in models:
            network = _take(key, source)
            tokenizer = _origins[network].processor.tokenizer
            models[key] = {"model": network, "tokenizer": tokenizer} if key == "text" else network
        network = network_of(key)
        if _origins[network].movable:
            models_devices[key] = device
            network.to("cpu" if offload else device)
        return models[key]


def _take(key: str, source: str | Given) -> torch.nn.Module:
    """One part of a checkpoint. All of it is read at once, so the others are kept for the next call."""
    if isinstance(source, Given):
        return _with_origin(key, source.model, Origin(source.model.generation_config, source.processor, movable=False))
    if (source, key) not in _spare:
        processor = processor_of(source)
        model = BarkModel.from_pretrained(source).eval()
        origin = Origin(model.generation_config, processor, movable=True)
        for part in PARTS:
            _spare[source, part] = _with_origin(part, model, origin)
    return _spare.pop((source, key))


def _with_origin(key: str, model: BarkModel, origin: Origin) -> torch.nn.Module:
    rate = origin.generation_config.sample_rate
    if rate != SAMPLE_RATE:
        raise ValueError(
            f"This checkpoint speaks at {rate} samples per second, but scripts for Suno's API write {SAMPLE_RATE}: use "
            "BarkModel.generate, whose result says its rate."
        )
    network = getattr(model, PARTS[key])
    if key == "codec":
        network = SunoCodec(network, origin.generation_config)
    _origins[network] = origin
    return network


def drop_spare() -> None:
    """Forget the parts that were read and not asked for."""
    with _lock:
        _spare.clear()


def clean_models(model_key: str | None = None) -> None:
    """Free a part ("text", "coarse", "fine", "codec"), or all of them; the next call loads it again."""
    with _lock:
        ours = False
        for key in [key for key in models if model_key in (None, key)]:
            ours |= _origins[network_of(key)].movable
            del models[key]
            models_devices.pop(key, None)
        for place in [place for place in _spare if model_key in (None, place[1])]:
            ours = True
            del _spare[place]
        if model_key is None:
            _processors.clear()
    if ours:  # a collection takes a noticeable part of a second
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


@contextlib.contextmanager
def on_device(key: str, offload: bool) -> Iterator[torch.nn.Module]:
    """A loaded part where it computes; with `offload` it goes back to the CPU, and one call runs at a time."""
    network, device = network_of(key), models_devices.get(key)
    if not offload or device is None:
        yield network
        return
    with _lock:
        try:
            yield network.to(device)
        finally:
            network.to("cpu")


__all__ = [
    "MODEL_VARIABLE",
    "clean_models",
    "current_source",
    "drop_spare",
    "load_part",
    "models",
    "models_devices",
    "on_device",
    "origin_of",
    "processor_of",
    "use_model",
]
