"""The kernels in C++, compiled for this processor on first use and kept in the user's cache folder.

Knows a compiler and a folder; knows no model. Where something is missing (another processor, no compiler), `library`
says so and the callers go on with PyTorch's own operators.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

SOURCES = ("kernels.cpp", "kernels.h", "attention.h", "floats.h", "products.h", "vector_math.h")
FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-fopenmp")
SWITCH = "BARK_HF_NATIVE"  # environment: 0 switches the kernels off
SECONDS = 300  # a compiler takes about three


class NativeKernelsError(RuntimeError):
    """Why there are no native kernels here, and what helps."""


@functools.cache
def library() -> ctypes.CDLL:
    """The compiled kernels.

    Raises:
        NativeKernelsError: if they can't be had.
    """
    compiler = find_compiler()
    file = cache_folder() / f"kernels-{fingerprint(compiler)}.so"
    if not file.is_file():
        compile_to(file, compiler)
    try:
        loaded = ctypes.CDLL(str(file))
    except OSError as error:
        raise NativeKernelsError(f"{file} can't be loaded ({error}): delete it") from error
    loaded.bark_prepare(1)
    return loaded


def why_not() -> str | None:
    """Why there are no native kernels here, or None if there are."""
    try:
        library()
    except NativeKernelsError as error:
        return str(error)
    return None


def find_compiler() -> str:
    """Path of a C++ compiler for a processor that the kernels are made for.

    Raises:
        NativeKernelsError: if there is none, or the kernels are not wanted.
    """
    if os.environ.get(SWITCH, "1") == "0":
        raise NativeKernelsError(f"switched off by {SWITCH}=0")
    if platform.system() != "Linux" or platform.machine() != "x86_64" or not torch.cpu._is_vnni_supported():
        raise NativeKernelsError("made for Linux on x86-64 processors with AVX-512 VNNI")
    wanted = os.environ.get("CXX")
    for name in [wanted] if wanted else ["g++", "c++", "clang++"]:
        path = shutil.which(name)
        if path:
            return path
    raise NativeKernelsError(f"no C++ compiler ({wanted or 'g++'}) found: install one, such as Debian's package g++")


def cache_folder() -> Path:
    """Where the compiled kernels are kept: bark_hf in the user's cache folder, or a temporary one if that is closed."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bark_hf"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="bark_hf-"))
    return folder if os.access(folder, os.W_OK) else Path(tempfile.mkdtemp(prefix="bark_hf-"))


def fingerprint(compiler: str) -> str:
    """Of everything that decides what the compiler writes: sources, flags, its version, the processor's features."""
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update(Path(__file__).with_name(name).read_bytes())
    version = subprocess.run([compiler, "--version"], capture_output=True, check=False, timeout=SECONDS).stdout
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    features = next((line for line in cpuinfo if line.startswith("flags")), "")
    digest.update(version + features.encode() + " ".join((compiler, *FLAGS)).encode())
    return digest.hexdigest()[:16]


def compile_to(file: Path, compiler: str) -> None:
    """Write the library, under another name first: several processes may do so at once.

    Raises:
        NativeKernelsError: if the compiler fails.
    """
    descriptor, part = tempfile.mkstemp(dir=file.parent, suffix=".part")
    os.close(descriptor)
    command = [compiler, *FLAGS, "-w", str(Path(__file__).with_name("kernels.cpp")), "-o", part]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
        Path(part).replace(file)
    except (OSError, subprocess.SubprocessError) as error:
        Path(part).unlink(missing_ok=True)
        lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise NativeKernelsError(
            f"{compiler} could not compile them ({lines[0] if lines else 'no message'})"
        ) from error
