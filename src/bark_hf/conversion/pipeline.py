"""`convert`: read and check everything, write beside the output, verify, move into place.

Knows the order of the steps; how each is done is in the other modules of this folder. Prints nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from transformers import BertTokenizer

from ..configuration_bark import BarkConfig
from ..modeling_bark import BarkModel
from ..voice_library import write_voices
from ..voices import VoicePrompt
from . import extras
from .encodec import CodecPart, read_codec
from .errors import ConversionError
from .limits import check_limits
from .mapping import State
from .model_folder import DTYPES, cast, count_parameters, empty_model, fill, shapes_of, verify, write_model
from .report import ConversionReport
from .suno import SunoPart, choose_size, read_suno
from .writing import check_output, check_space, staged

PathLike = str | os.PathLike[str]

NO_TOKENIZER = (
    "a tokenizer, which BarkProcessor needs. Convert again with --tokenizer DIR, a folder with the vocab.txt or "
    "tokenizer.json of bert-base-multilingual-cased."
)
NO_VOICES = (
    "voices; without one, each generation has a voice of its own. Convert again with --voices DIR, a folder with "
    "Suno's NAME.npz and v2/NAME.npz."
)


class Inputs(NamedTuple):
    """Where to read from."""

    suno_dir: Path
    codec: Path
    tokenizer: Path | None
    voices: Path | None


class Sources(NamedTuple):
    """Everything that was read, each part checked by itself and all of them together."""

    size: str
    suno: list[SunoPart]
    codec: CodecPart
    config: BarkConfig
    tokenizer: BertTokenizer | None
    voices: dict[str, VoicePrompt]


def convert(
    suno_dir: PathLike,
    codec: PathLike,
    output: PathLike,
    size: str | None = None,
    tokenizer: PathLike | None = None,
    voices: PathLike | None = None,
    dtype: str = "float32",
    *,
    overwrite: bool = False,
    on_step: Callable[[str], None] = lambda step: None,
) -> ConversionReport:
    """Turn Suno's `.pt` files and an EnCodec into one folder that `BarkModel.from_pretrained` reads.

    Args:
        suno_dir: folder with text.pt, coarse.pt and fine.pt (small) or text_2.pt, coarse_2.pt and fine_2.pt (large).
        codec: Meta's `encodec_24khz*.th`, or a Transformers EnCodec folder.
        output: folder to write; appears only when complete and verified.
        size: "small" or "large"; None takes the one whose files are there.
        tokenizer: folder with a BERT tokenizer, or None to leave it out.
        voices: folder with `.npz` voices, or None to leave them out.
        dtype: "float32", "float16" or "bfloat16".
        overwrite: replace a Bark checkpoint that is at `output`.
        on_step: called with a line of text before each step.

    Returns:
        What was written.

    Raises:
        ConversionError: for an input that can't be converted or an output that can't be written. `output` is then as
            it was before.

    Example:

    ```python
    >>> report = convert("suno_files", "encodec_24khz-d7cc33bc.th", "bark-small", tokenizer="mbert")  # doctest: +SKIP
    >>> print(report)  # doctest: +SKIP

    ```
    """
    started = time.perf_counter()
    inputs = Inputs(
        suno_dir=_path(suno_dir),
        codec=_path(codec),
        tokenizer=None if tokenizer is None else _path(tokenizer),
        voices=None if voices is None else _path(voices),
    )
    target = _path(output).resolve()
    if dtype not in DTYPES:
        raise ConversionError(f"dtype {dtype!r} is unknown: use {', '.join(DTYPES)}.")
    check_output(target, overwrite, [path for path in inputs if path is not None])

    on_step(f"reading {inputs.suno_dir} and {inputs.codec}")
    sources = read_sources(inputs, size)
    model = empty_model(sources.config)
    state = cast(convert_state(sources, model), DTYPES[dtype])
    n_bytes = sum(tensor.nbytes for tensor in state.values())
    check_space(target, n_bytes)

    with staged(target) as folder:
        on_step(f"writing {n_bytes / 1e6:,.0f} MB")
        fill(model, state)
        write_model(model, folder)
        _write_extras(sources, inputs, folder)
        on_step("reading it back and comparing")
        verify(folder, state)
        files = {path.relative_to(folder).as_posix(): path.stat().st_size for path in _files(folder)}

    return ConversionReport(
        output=target,
        size=sources.size,
        dtype=dtype,
        parameters=count_parameters(model),
        tensors=len(state),
        files=files,
        voices=len(sources.voices),
        seconds=time.perf_counter() - started,
        missing=(NO_TOKENIZER,) * (sources.tokenizer is None) + (NO_VOICES,) * (not sources.voices),
    )


def read_sources(inputs: Inputs, size: str | None) -> Sources:
    """Read every input and check that the parts fit together.

    Raises:
        ConversionError: naming the file and what is wrong with it.
    """
    size = choose_size(inputs.suno_dir, size)
    suno = read_suno(inputs.suno_dir, size)
    codec = read_codec(inputs.codec)
    config = BarkConfig(codec_config=codec.config, **{f"{part.part}_config": part.config for part in suno})
    check_limits(config)
    return Sources(
        size=size,
        suno=suno,
        codec=codec,
        config=config,
        tokenizer=extras.read_tokenizer(inputs.tokenizer) if inputs.tokenizer is not None else None,
        voices=extras.read_voices(inputs.voices) if inputs.voices is not None else {},
    )


def convert_state(sources: Sources, model: BarkModel) -> State:
    """Every tensor of the whole model, by its name there.

    Args:
        sources: what was read.
        model: the model, with or without storage; only names and shapes are used.

    Raises:
        ConversionError: see `mapping.map_state`.
    """
    parts: dict[str, SunoPart | CodecPart] = {part.part: part for part in sources.suno}
    parts["codec_model"] = sources.codec
    return {
        f"{name}.{key}": tensor
        for name, part in parts.items()
        for key, tensor in part.state(shapes_of(getattr(model, name))).items()
    }


def _write_extras(sources: Sources, inputs: Inputs, folder: Path) -> None:
    """The tokenizer and the voices, where given."""
    if sources.tokenizer is not None and inputs.tokenizer is not None:
        extras.write_tokenizer(sources.tokenizer, inputs.tokenizer, folder)
    if sources.voices:
        write_voices(sources.voices.items(), folder)


def _files(folder: Path) -> list[Path]:
    """The files below `folder`, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _path(path: PathLike) -> Path:
    """A path with `~` replaced."""
    return Path(path).expanduser()
