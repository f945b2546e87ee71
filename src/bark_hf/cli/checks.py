"""What `bark-hf doctor` looks at. Each check gives findings; none raises, downloads or changes anything.

Knows packages, devices and the Hub's cache; works where Transformers itself can't be imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from importlib import metadata
from pathlib import Path
from typing import Any

from ..demo import DEMO, demo_path
from .common import CliError, only_our_words
from .loading import CONFIG, WEIGHTS, check_model, import_networks

PACKAGE = "bark-hf"
DEVELOPER_EXTRAS = ("dev", "test")
KNOWN_MODELS = ("suno/bark-small", "suno/bark")
CPU_FEATURES = {
    "AVX-512 bf16": "_is_avx512_bf16_supported",
    "AMX": "_is_amx_tile_supported",
    "AMX fp16": "_is_amx_fp16_supported",
}  # names -> torch.cpu's functions, which are not public: one that is gone counts as no


class State(str, Enum):
    """How a finding is meant."""

    ok = "ok"
    note = "note"
    broken = "BROKEN"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what.
        value: what was found.
        state: whether it is fine, worth knowing, or keeps Bark from working.
        remedy: what to do, or "".
    """

    name: str
    value: str
    state: State = State.ok
    remedy: str = ""

    def to_dict(self) -> dict[str, str]:
        """The fields, for JSON."""
        return {"name": self.name, "state": self.state.value.lower(), "value": self.value, "remedy": self.remedy}


def examine(model: str | None) -> list[Finding]:
    """All findings.

    Args:
        model: a checkpoint that must be usable, or None.
    """
    findings = [Finding("python", f"{platform.python_version()} on {platform.platform()}"), *packages(), *torchaudio()]
    imported = imports()
    findings.append(imported)
    findings += devices()
    if imported.state is State.ok:
        findings += [*kernels(), *cache(), *cached_models()]
        findings += [] if model is None else [chosen_model(model)]
    return [*findings, *extras()]


def packages() -> Iterator[Finding]:
    """This package and everything that it requires, by version."""
    from packaging.requirements import Requirement

    yield Finding(PACKAGE, metadata.version(PACKAGE))
    for line in metadata.requires(PACKAGE) or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _required(requirement.name, requirement.specifier)


def _required(name: str, allowed: Any) -> Finding:
    found = _version(name)
    if found is None:
        return Finding(name, f"missing, needed is {allowed}", State.broken, f"pip install '{name}{allowed}'")
    if not allowed.contains(found, prereleases=True):
        return Finding(name, f"{found}, needed is {allowed}", State.broken, f"pip install '{name}{allowed}'")
    return Finding(name, found)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def torchaudio() -> Iterator[Finding]:
    """Transformers imports torchaudio if it is installed, so one that can't be loaded breaks everything."""
    if importlib.util.find_spec("torchaudio") is None:
        return
    found = _version("torchaudio") or "of unknown version"
    try:
        importlib.import_module("torchaudio")
    except Exception as error:  # a missing library is OSError, a wrong build RuntimeError or ImportError
        yield Finding(
            "torchaudio",
            f"{found} can't be loaded, which breaks transformers ({_one_line(error)})",
            State.broken,
            f"pip uninstall torchaudio, or beside torch {_version('torch')} {_fitting_torchaudio()}",
        )
    else:
        yield Finding("torchaudio", found)


def _fitting_torchaudio() -> str:
    build = "CPU build of torchaudio" if _is_cpu_torch() else "torchaudio"
    return f"install the {build} that PyTorch's install page gives for it"


def _is_cpu_torch() -> bool:
    import torch

    return torch.version.cuda is None and torch.version.hip is None


def imports() -> Finding:
    """Whether the package and all that it needs can be imported."""
    try:
        with only_our_words():
            import_networks()
    except Exception as error:
        return Finding(
            "import", f"bark_hf can't be imported ({_one_line(error)})", State.broken, "mend the packages above"
        )
    return Finding("import", "bark_hf and Transformers load")


def devices() -> Iterator[Finding]:
    """The processor and every accelerator that torch can use."""
    try:
        import torch
    except Exception as error:
        yield Finding("cpu", f"torch can't be imported ({_one_line(error)})", State.broken, "pip install torch")
        return
    has = [name for name, function in CPU_FEATURES.items() if getattr(torch.cpu, function, lambda: False)()]
    capability = torch.backends.cpu.get_cpu_capability()
    yield Finding(
        "cpu",
        f"{torch.get_num_threads()} threads of {os.cpu_count()} cores, {_memory_text()}{capability}"
        + (f" ({', '.join(has)})" if has else ""),
    )
    for i in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(i)
        yield Finding(f"cuda:{i}", f"{device.name}, {_gigabytes(device.total_memory)}")
    if torch.backends.mps.is_available():
        yield Finding("mps", f"Apple GPU, {_gigabytes(torch.mps.recommended_max_memory())}")
    for i in range(torch.xpu.device_count() if torch.xpu.is_available() else 0):
        device = torch.xpu.get_device_properties(i)
        yield Finding(f"xpu:{i}", f"{device.name}, {_gigabytes(device.total_memory)}")


def kernels() -> Iterator[Finding]:
    """Which kernels quantised weights use here. Nothing is compiled."""
    from ..native.building import NativeKernelsError, find_compiler

    try:
        compiler = find_compiler()
    except NativeKernelsError as error:
        yield Finding("--fast", f"PyTorch's kernels; the native ones, which are faster, are {error}", State.note)
    else:
        yield Finding("--fast", f"native kernels, compiled by {compiler} on first use")


def _memory_text() -> str:
    try:
        return f"{_gigabytes(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES'))} of memory, "
    except (AttributeError, ValueError, OSError):  # not on every system
        return ""


def cache() -> Iterator[Finding]:
    """Where the Hub's files are kept, and whether new ones can come."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    existing = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    yield Finding("cache", f"{folder}, {_gigabytes(shutil.disk_usage(existing).free)} free")
    if constants.HF_HUB_OFFLINE:
        yield Finding("hub", "HF_HUB_OFFLINE is set: nothing is downloaded", State.note, "unset it to download models")
    else:
        yield Finding("hub", "models are downloaded when first used (HF_HUB_OFFLINE is not set)")


def cached_models() -> Iterator[Finding]:
    """Which of Suno's checkpoints are on this machine."""
    try:
        yield Finding(f"{DEMO} (default)", demo_path())
    except FileNotFoundError:
        yield Finding(f"{DEMO} (default)", "not built", State.note, "python recipes/demo/make.py OUT")
    for model in KNOWN_MODELS:
        if Path(model).is_dir():
            yield Finding(model, "a folder on this machine")
        elif all(_cached(model, choices) for choices in ((CONFIG,), WEIGHTS)):
            yield Finding(model, "in the cache")
        else:
            state = "incomplete in the cache" if _cached(model, (CONFIG,)) else "not in the cache"
            yield Finding(model, state, State.note, f"hf download {model}")


def _cached(name: str, choices: tuple[str, ...]) -> bool:
    from huggingface_hub import constants, try_to_load_from_cache

    return any(
        isinstance(try_to_load_from_cache(name, choice, cache_dir=constants.HF_HUB_CACHE), str) for choice in choices
    )


def chosen_model(model: str) -> Finding:
    """Whether a checkpoint's files are there and its processor loads; its weights are not read."""
    from .loading import load_processor

    try:
        with only_our_words():
            processor = load_processor(check_model(model))
    except (CliError, OSError, ValueError) as error:
        return Finding("model", _one_line(error), State.broken)
    return Finding("model", f"{model}, {len(processor.available_voice_presets)} voice presets")


def extras() -> Iterator[Finding]:
    """The optional parts and what they lack."""
    from packaging.requirements import Requirement

    requirements = [Requirement(line) for line in metadata.requires(PACKAGE) or []]
    for extra in metadata.metadata(PACKAGE).get_all("Provides-Extra") or []:
        if extra in DEVELOPER_EXTRAS:
            continue
        needed = [r.name for r in requirements if r.marker is not None and _is_of(r.marker, extra)]
        missing = [name for name in needed if _version(name) is None]
        if missing:
            yield Finding(f"extra {extra}", f"{', '.join(missing)} missing (optional)", State.note, _install(extra))
        else:
            yield Finding(f"extra {extra}", ", ".join(f"{name} {_version(name)}" for name in needed))


def _is_of(marker: Any, extra: str) -> bool:
    return marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _install(extra: str) -> str:
    command = f"pip install '{PACKAGE}[{extra}]'"
    if extra == "encodec" and sys.platform == "linux" and _version("torchaudio") is None and _is_cpu_torch():
        return f"{_fitting_torchaudio()}, and then {command}"  # PyPI's torchaudio is made for CUDA
    return command


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def _one_line(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())
