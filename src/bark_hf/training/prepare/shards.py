"""The files of an unfinished preparation: parts that are there completely or not at all, and what they were made with.

`OUT.partial/manifest.json` holds the settings; `NUMBER.arrow` and `NUMBER.json` are a part's rows and its report. The
report is written last: a part that has one is finished. Knows files. Must not know sound or networks.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasets import Dataset, concatenate_datasets
from datasets.arrow_writer import ArrowWriter
from datasets.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

from ..dataset import FEATURES
from .report import PrepareReport

REPORT_FILE = "report.json"
DATASET_FILE = "state.json"  # a folder that has it holds a dataset
_MANIFEST, _DATASET = "manifest.json", "dataset"


class PartFolder:
    """Where the parts are until the dataset is complete.

    Args:
        out: the folder that the dataset will be.
        n_parts: how many parts there are.
    """

    def __init__(self, out: Path, n_parts: int) -> None:
        self.out, self.n_parts = out, n_parts
        self.folder = partial_folder(out)

    def open(self, settings: dict[str, Any]) -> None:
        """Start, or go on with what is there; settings may change until a part is finished.

        Raises:
            ValueError: if parts that are there were made with other settings. OSError: if nothing can be written.
        """
        manifest = self.folder / _MANIFEST
        if manifest.is_file() and len(self.missing()) < self.n_parts:
            check_settings(read_json(manifest)["settings"], settings, self.folder)
            return
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        write_json(manifest, {"settings": settings})

    def missing(self) -> list[int]:
        """The parts that are not finished."""
        return [number for number in range(self.n_parts) if not self._report(number).is_file()]

    def write(self, number: int, rows: list[dict[str, Any]], report: PrepareReport) -> None:
        """Finish a part.

        Raises:
            OSError: if the disk refuses; the part is then as unfinished as before.
        """
        if rows:
            _replace(self._rows(number), lambda path: _write_rows(path, rows))
        write_json(self._report(number), report.to_dict())

    def reports(self) -> Iterator[PrepareReport]:
        """The parts' reports in order."""
        for number in range(self.n_parts):
            yield PrepareReport.from_dict(read_json(self._report(number)))

    def finish(self, report: PrepareReport) -> None:
        """Join the parts and move the dataset to its place; the parts are deleted.

        Raises:
            OSError: if the disk refuses; the parts stay.
        """
        paths = [path for path in map(self._rows, range(self.n_parts)) if path.is_file()]
        complete = self.folder / _DATASET
        shutil.rmtree(complete, ignore_errors=True)  # of a run that was ended while it joined
        with writing(complete), _no_bars():
            concatenate_datasets([Dataset.from_file(str(path)) for path in paths]).save_to_disk(str(complete))
        write_json(complete / REPORT_FILE, report.to_dict())
        with writing(self.out):
            complete.replace(self.out)
        shutil.rmtree(self.folder)

    def discard(self, report: PrepareReport) -> Path:
        """Delete the parts, none of which has a row; gives the file with the report, which stays."""
        shutil.rmtree(self.folder)
        path = self.folder / REPORT_FILE
        with writing(self.folder):
            self.folder.mkdir()
        write_json(path, report.to_dict())
        return path

    def _rows(self, number: int) -> Path:
        return self.folder / f"{number:05d}.arrow"

    def _report(self, number: int) -> Path:
        return self.folder / f"{number:05d}.json"


def partial_folder(out: Path) -> Path:
    """Where the parts of `out` are."""
    return out.with_name(f"{out.name}.partial")


def check_settings(old: dict[str, Any], new: dict[str, Any], where: Path) -> None:
    """Refuse to mix data of two kinds.

    Raises:
        ValueError: naming the first setting that differs.
    """
    new = json.loads(json.dumps(new))
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            raise ValueError(
                f"{where} was made with {name}={_shown(old.get(name))}, not {_shown(new.get(name))}; give the same "
                "settings, another output folder, or --overwrite to start again."
            )


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}..."


def read_json(path: Path) -> Any:
    """A JSON file's content.

    Raises:
        ValueError: if it is damaged.
    """
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}); start again with --overwrite.") from None


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file that appears complete or not at all."""
    data = (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
    _replace(path, lambda temporary: temporary.write_bytes(data))


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    with ArrowWriter(path=str(path), features=FEATURES) as writer:
        for row in rows:
            writer.write(row)
        writer.finalize()


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    with writing(path):
        try:
            write(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the disk refuses, in one line."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"{path} can't be written ({error.strerror or error}); what is finished is kept: make room, and give the "
            "same command again."
        ) from error


@contextmanager
def _no_bars() -> Iterator[None]:
    """`datasets` draws a bar for each file it writes; there is one for the whole already."""
    shown = is_progress_bar_enabled()
    disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            enable_progress_bar()


__all__ = ["DATASET_FILE", "REPORT_FILE", "PartFolder", "check_settings", "partial_folder", "read_json", "writing"]
