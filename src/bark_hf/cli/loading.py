"""From what the user calls a model to a processor and a model on a device.

Knows folders, the Hub's cache, devices and number formats; every fault is one line with a remedy.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..demo import without_nickname
from .common import CliError, UsageError

if TYPE_CHECKING:
    from ..generation_configuration_bark import BarkGenerationConfig
    from ..modeling_bark import BarkModel
    from ..processing_bark import BarkProcessor
    from ..voices import VoicePrompt

CONFIG, GENERATION_CONFIG = "config.json", "generation_config.json"
WEIGHTS = (
    "acceleration.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
SUNO_WEIGHTS = ("text.pt", "text_2.pt")
DEVICES = ("auto", "cpu", "cuda", "cuda:N", "mps", "xpu", "xpu:N")


class Dtype(str, Enum):
    """Number formats of the weights."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


class Attention(str, Enum):
    """Implementations of attention that Bark's networks have."""

    eager = "eager"
    sdpa = "sdpa"
    flash_attention_2 = "flash_attention_2"


def check_device(name: str) -> str:
    """A device that is there, "auto" resolved to the best one.

    Raises:
        UsageError: for a name that no machine has.
        CliError: for a device that this machine lacks.
    """
    import torch

    counts = {
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
        "xpu": torch.xpu.device_count() if torch.xpu.is_available() else 0,
        "cpu": 1,
    }
    if name == "auto":
        return next(kind for kind, count in counts.items() if count)
    kind, _, index = name.partition(":")
    if kind not in counts or (":" in name and not index.isdecimal()):
        raise UsageError(f"--device {name!r} is unknown; it is one of {', '.join(DEVICES)}; leave it out for auto")
    if int(index or 0) >= counts[kind]:
        there = ", ".join(f"{kind} ({count})" for kind, count in counts.items() if count)
        raise CliError(f"--device {name} is not there; this machine has {there}; leave --device out for the best one")
    return name


def check_model(name: str) -> str:
    """A folder that has a Bark checkpoint's files, or a name on the Hub whose config can be had; "demo" is our own.

    Raises:
        CliError: naming what is missing and how to get it.
    """
    name = without_nickname(name)
    path = Path(name).expanduser()
    if name and path.is_dir():
        _check_folder(path)
        return str(path)
    if name and path.exists():
        raise CliError(f"--model {name} is a file; a checkpoint is a folder; give the folder that the file is in")
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1 or "\\" in name:
        raise CliError(
            f"--model {name!r} does not exist; it must be a folder, or a name on the Hub such as suno/bark-small; "
            "check the path"
        )
    with hub_errors(name):
        from transformers.utils.hub import cached_file

        _check_config(name, Path(cached_file(name, CONFIG)))
    return name


def _check_folder(folder: Path) -> None:
    if not (folder / CONFIG).is_file():
        convertible = any((folder / name).is_file() for name in SUNO_WEIGHTS)
        remedy = "convert it with bark-hf convert" if convertible else "get the checkpoint again, or check the path"
        raise CliError(f"the folder {folder} has no {CONFIG}; it is no checkpoint in the Hub's layout; {remedy}")
    _check_config(str(folder), folder / CONFIG)
    if not any((folder / name).is_file() for name in WEIGHTS):
        raise CliError(
            f"the folder {folder} has no weights; it needs model.safetensors or pytorch_model.bin (or the index of "
            "several such files); get the checkpoint again"
        )


def _check_config(name: str, path: Path) -> None:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CliError(f"{path} is no valid JSON ({error}); it describes the checkpoint; get it again") from error
    kind = content.get("model_type") if isinstance(content, dict) else None
    if kind != "bark":
        raise CliError(f"{name} is no Bark checkpoint; its {CONFIG} says model_type {kind!r}; give another --model")


@contextmanager
def hub_errors(name: str) -> Iterator[None]:
    """Say in one line why something of `name` can't be had; other errors of a local folder pass through."""
    try:
        yield
    except OSError as error:
        if Path(name).is_dir():
            raise
        raise CliError(_hub_message(name, error)) from error


def _hub_message(name: str, error: OSError) -> str:
    from huggingface_hub import constants
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    causes = [error, error.__cause__, error.__context__]
    if any(isinstance(cause, GatedRepoError) for cause in causes):
        return f"{name} is gated on the Hub; it needs your consent there; give it, then log in with: hf auth login"
    if any(isinstance(cause, RepositoryNotFoundError) for cause in causes):
        return f"there is no {name} on the Hub, or it is private; check the name, or log in with: hf auth login"
    if "connect" not in str(error) and not constants.HF_HUB_OFFLINE:
        return f"{name} can't be loaded from the Hub ({error}); check the name and the connection"
    reason = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the Hub can't be reached"
    remedy = "unset HF_HUB_OFFLINE" if constants.HF_HUB_OFFLINE else "check the connection"
    return (
        f"{name} is not (or not completely) in the cache {constants.HF_HUB_CACHE}, and {reason}; {remedy} to download "
        f"it, or give a folder: on a connected machine, hf download {name} --local-dir FOLDER, then --model FOLDER"
    )


def import_networks() -> None:
    """Import what takes seconds, so that it is not taken for the time of loading a model."""
    importlib.import_module("bark_hf.registration").register()  # a checkpoint's codec may be one of ours


def load_generation_config(model: str) -> BarkGenerationConfig:
    """How a checked model generates: what its file says, or Suno's values if it has none."""
    from transformers.utils.hub import cached_file

    from ..generation_configuration_bark import BarkGenerationConfig

    with hub_errors(model):
        if cached_file(model, GENERATION_CONFIG, _raise_exceptions_for_missing_entries=False) is None:
            return BarkGenerationConfig()
        return BarkGenerationConfig.from_pretrained(model)


def load_processor(model: str) -> BarkProcessor:
    """The processor of a checked model."""
    from ..processing_bark import BarkProcessor

    with hub_errors(model):
        return BarkProcessor.from_pretrained(model)


def load_voice(processor: BarkProcessor, voice: str | None, model: str) -> VoicePrompt | None:
    """A preset by its name, or a voice from a file.

    Raises:
        CliError: for an unknown name, with the nearest ones, or a file that is not there.
    """
    if voice is None:
        return None
    known = processor.available_voice_presets
    if voice in known:
        with hub_errors(model):
            return processor.voice(voice)
    if voice.endswith(".npz"):
        if not Path(voice).is_file():
            raise CliError(f"there is no voice file {voice}; --voice is a preset or a .npz file; check the path")
        return processor.voices.resolve(voice)
    raise CliError(_unknown_voice(voice, known, model))


def _unknown_voice(voice: str, known: list[str], model: str) -> str:
    from ..voices import near_presets

    if not known:
        return f"there is no voice {voice!r}; {model} has no presets; give a .npz file, or leave --voice out"
    near = [repr(name) for name in near_presets(voice, known)]
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return (
        f"there is no voice {voice!r}; {model} has {len(known)} presets; {hint}list them with: "
        f"bark-hf voices --model {model}"
    )


def load_model(model: str, device: str, dtype: Dtype | None, attention: Attention | None) -> BarkModel:
    """The model of a checked folder or Hub name, complete, on a device.

    Raises:
        CliError: for weights that are damaged, or do not belong to the config.
    """
    import torch

    from ..modeling_bark import BarkModel

    import_networks()
    if (Path(model) / "acceleration.json").is_file():
        return _load_quantized(model, device, dtype, attention)
    # Whatever does not fit is collected, so that it can be said in one line.
    options: dict[str, Any] = {"output_loading_info": True, "ignore_mismatched_sizes": True}
    if dtype is not None:
        options["dtype"] = getattr(torch, dtype.value)
    if attention is not None:
        options["attn_implementation"] = attention.value
    try:
        with hub_errors(model), _weight_errors(model):
            loaded, info = BarkModel.from_pretrained(model, **options)
    except ImportError as error:  # what the attention needs
        raise CliError(f"{error} Install it, or leave --attn-implementation out") from error
    _check_complete(model, "lacks", sorted(info["missing_keys"]))
    _check_complete(model, "has, by its config, wrong sizes of", sorted(key[0] for key in info["mismatched_keys"]))
    return loaded.to(device)


def _load_quantized(model: str, device: str, dtype: Dtype | None, attention: Attention | None) -> BarkModel:
    from ..acceleration import load

    for option, value in (("--dtype", dtype), ("--attn-implementation", attention)):
        if value is not None:
            raise UsageError(f"{option} is settled in {model}, which is quantised; leave it out")
    if device != "cpu":
        raise UsageError(f"--device {device} has no kernels for {model}, which is quantised; take --device cpu")
    return load(model)


def _check_complete(model: str, fault: str, names: list[str]) -> None:
    if names:
        shown = ", ".join(names[:3]) + (", ..." if names[3:] else "")
        raise CliError(
            f"{model} {fault} {len(names)} weights ({shown}); with these drawn at random it would speak noise; get the "
            "checkpoint again"
        )


@contextmanager
def _weight_errors(model: str) -> Iterator[None]:
    """Readers of weights raise many kinds on damaged files; those of options are ValueError and ImportError."""
    try:
        yield
    except (ValueError, ImportError, OSError, MemoryError):
        raise
    except Exception as error:
        raise CliError(f"the weights of {model} can't be read ({error}); get the checkpoint again") from error
