"""The data goes down the list of layers and never back up: no module imports one of a higher layer."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import bark_hf

ROOT = Path(bark_hf.__file__).parent
# Lowest first; a module may import from its own layer and from those before it.
LAYERS = [
    {"tokens", "devices", "files", "languages", "demo", "audio", "native"},
    {"configuration_bark", "generation_options", "generation_stage_configs", "generation_configuration_bark"},
    {"networks", "codec", "voices", "voice_files", "voice_rules", "generation", "semantic_tokenizer"},
    {"submodel_generation"},
    {"modeling_bark", "checkpoint_files", "voice_library", "text_inputs"},
    {"processing_bark", "longform", "acceleration", "suno"},
    {"registration", "conversion"},
    {"training", "evaluation"},
    {"voice_making", "detection", "benchmarking"},
    {"__init__"},
    {"cli"},
]
# Beyond the order: a network never imports generation, and generation sees networks only as step functions.
FORBIDDEN = {("networks", "generation"), ("generation", "networks"), ("codec", "networks"), ("codec", "generation")}
MODULES = sorted(ROOT.rglob("*.py"))


def layer_of(part: str) -> int:
    found = [number for number, layer in enumerate(LAYERS) if part in layer]
    assert found, f"{part} has no place in the layers: add it to the list"
    return found[0]


def imported_parts(path: Path) -> set[str]:
    """Top-level parts of bark_hf that a module imports anywhere in its code."""
    package = ["bark_hf", *path.relative_to(ROOT).with_suffix("").parts]
    parts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: -node.level]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            parts |= {".".join([*base, name]) for name in names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts.add(node.module)
        elif isinstance(node, ast.Import):
            parts |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in parts if name.startswith("bark_hf.")}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_go_down(path):
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for part in imported_parts(path) - {own}:
        assert layer_of(part) <= layer_of(own), f"{own} imports {part}, which is above it"
        assert (own, part) not in FORBIDDEN, f"{own} must not know {part}"
