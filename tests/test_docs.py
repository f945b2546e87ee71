"""What the documentation says is run: Python blocks of README and docs, docstring examples, links and figures."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import bark_hf

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = sorted(module.name for module in pkgutil.walk_packages(bark_hf.__path__, "bark_hf."))


def python_blocks(page: Path) -> list[str]:
    """Fenced blocks marked `python`; blocks that show a fragment are marked `py`."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page, hub, tmp_path, monkeypatch):
    """A page's blocks in their order, offline; "suno/bark-small" is a Hub cache that holds the tiny checkpoint."""
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "__main__"}
    for number, code in enumerate(python_blocks(page)):
        exec(compile(code, f"{page.name} block {number}", "exec"), names)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_readme_names_every_part_of_the_package():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "src" / "bark_hf").iterdir():
        if path.name not in ("__init__.py", "__pycache__", "py.typed"):
            assert path.name in text, f"README's file table lacks {path.name}"
