"""The result of a training as a whole checkpoint: other stages, processor and voices as they were, one part replaced.

Everything is written into a hidden folder beside the output, which is renamed at the end: a kill leaves no half
checkpoint. Knows folders and weights; knows no training.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError

from .source import WEIGHT_FILES, load_source

State = Mapping[str, torch.Tensor]


def write_checkpoint(source: Path, parts: Mapping[str, State], output: Path) -> Path:
    """Write `source` with other weights in some of its parts.

    Files other than weights are copied as they are. Weights keep the number format of the source; those that the
    source lacks and `parts` doesn't give stay missing.

    Args:
        source: folder of a checkpoint; it may have no weights.
        parts: state dicts by part: "semantic", "coarse_acoustics", "fine_acoustics", "codec_model".
        output: folder to write; what is there is replaced. It may be `source`.

    Returns:
        `output`.

    Raises:
        OSError: if the disk refuses; `output` is then as it was.
    """
    loaded = load_source(source, dtype="auto")
    model = loaded.model
    for part, state in parts.items():
        getattr(model, part).load_state_dict(state)
    model.tie_weights()
    given = tuple(f"{part}." for part in parts)
    missing = {name for name in loaded.missing if not name.startswith(given)}
    weights = {name: tensor for name, tensor in model.state_dict().items() if name not in missing}
    with replacing(output) as folder:
        model.save_pretrained(folder, state_dict=weights)
        copy_files(source, folder)
        mode = (folder / "config.json").stat().st_mode
        for file in folder.glob("*.safetensors"):  # safetensors makes them readable by the owner alone
            file.chmod(mode)
    return output


def copy_files(source: Path, target: Path) -> None:
    """Copy everything of a checkpoint but its weights; files in subfolders, such as tokenizers, are copied whole."""
    for path in sorted(source.iterdir()):
        if path.name.startswith(".") or any(path.match(pattern) for pattern in WEIGHT_FILES):
            continue
        if path.is_dir():
            shutil.copytree(path, target / path.name, dirs_exist_ok=True)
        else:
            shutil.copyfile(path, target / path.name)


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """A new folder beside `output` that takes its place when the block ends well, and vanishes otherwise.

    Raises:
        OSError: if the disk refuses, in one line.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    folder = output.with_name(f".{output.name}.partial-{uuid.uuid4().hex[:8]}")
    try:
        folder.mkdir()
        yield folder
        old = output.with_name(f".{output.name}.replaced-{uuid.uuid4().hex[:8]}")
        if output.exists():
            output.rename(old)
        folder.rename(output)
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise OSError(f"{output} can't be written ({error}); make room or give another output_dir.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


__all__ = ["copy_files", "replacing", "write_checkpoint"]
