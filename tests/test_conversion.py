"""Suno's files -> a folder: the numbers stay the same, and whatever is wrong is said in one line and leaves no trace.

Oracles: Suno's network written out below from its definition, Suno's own recorded logits and audio (shared goldens,
skipped where absent), and Transformers' `BarkModel` reading the folder.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import runpy
import signal
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file
from torch.nn import functional as F

from bark_hf.conversion import ConversionError, convert, main, names, pipeline, writing
from bark_hf.conversion.checkpoint_files import load_torch_file
from bark_hf.conversion.mapping import new_name
from bark_hf.modeling_bark import BarkModel
from bark_hf.processing_bark import BarkProcessor

REPOSITORY = Path(__file__).parents[1]
SHARED = Path(os.environ.get("BARK_HF_SHARED", REPOSITORY.parent / "shared"))
GOLDENS = SHARED / "goldens"
needs_goldens = pytest.mark.skipif(
    not (GOLDENS / "suno_outputs.npz").is_file(),
    reason=f"Suno's recorded outputs are not at {GOLDENS}; set BARK_HF_SHARED to the folder that has goldens/",
)
KINDS = ("text", "coarse", "fine")
SEMANTIC_KEY = "_orig_mod.transformer.h.0.mlp.c_fc.weight"


# --- Suno-format files, written from the definition of Suno's networks ---


def suno_args(kind: str, bias: bool) -> dict[str, Any]:
    """`model_args` of a tiny file; coarse in the older spelling."""
    args = {"n_layer": 1, "n_head": 2, "n_embd": 8, "block_size": 1024, "dropout": 0.0, "bias": bias}
    sizes = {
        "text": {"input_vocab_size": 129_600, "output_vocab_size": 10_048},
        "coarse": {"vocab_size": 12_096},
        "fine": {"input_vocab_size": 1_056, "output_vocab_size": 1_056, "n_codes_total": 8, "n_codes_given": 1},
    }
    return args | sizes[kind]


def suno_state(kind: str, args: dict[str, Any], prefix: str = "_orig_mod.") -> dict[str, torch.Tensor]:
    """Random tensors under Suno's names, masks and tied heads included."""
    generator = torch.Generator().manual_seed(KINDS.index(kind))
    width, fine = args["n_embd"], kind == "fine"
    v_in = args.get("input_vocab_size", args.get("vocab_size"))
    v_out = args.get("output_vocab_size", args.get("vocab_size"))
    shapes: dict[str, tuple[int, ...]] = {"transformer.wpe.weight": (args["block_size"], width)}
    linears, layer_norms = {}, ["transformer.ln_f"]
    for i in range(args["n_layer"]):
        h = f"transformer.h.{i}"
        layer_norms += [f"{h}.ln_1", f"{h}.ln_2"]
        linears |= {f"{h}.attn.c_attn": (3 * width, width), f"{h}.attn.c_proj": (width, width)}
        linears |= {f"{h}.mlp.c_fc": (4 * width, width), f"{h}.mlp.c_proj": (width, 4 * width)}
    for name, shape in linears.items():
        shapes |= {f"{name}.weight": shape} | ({f"{name}.bias": shape[:1]} if args["bias"] else {})
    for name in layer_norms:
        shapes |= {f"{name}.weight": (width,)} | ({f"{name}.bias": (width,)} if args["bias"] or fine else {})
    if fine:
        shapes |= {f"transformer.wtes.{i}.weight": (v_in, width) for i in range(8)}
    else:
        shapes |= {"transformer.wte.weight": (v_in, width), "lm_head.weight": (v_out, width)}
    state = {name: torch.randn(shape, generator=generator) * 0.3 for name, shape in shapes.items()}
    if fine:
        state |= {f"lm_heads.{i}.weight": state[f"transformer.wtes.{i + 1}.weight"] for i in range(7)}
    else:
        state |= {f"transformer.h.{i}.attn.bias": torch.ones(1, 1, 4, 4).tril() for i in range(args["n_layer"])}
    return {prefix + name: tensor for name, tensor in state.items()}


def write_suno(folder: Path, size: str = "small", bias: bool = False, prefix: str = "_orig_mod.") -> Path:
    """Three files as Suno's trainer wrote them; the loss is a NumPy scalar, as in the published ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        args = suno_args(kind, bias)
        checkpoint = {"model": suno_state(kind, args, prefix), "model_args": args, "best_val_loss": np.float32(1.5)}
        torch.save(checkpoint, folder / f"{kind}{'_2' * (size == 'large')}.pt")
    return folder


def suno_logits(state: dict[str, torch.Tensor], args: dict[str, Any], ids: torch.Tensor, codebook: int = 0) -> Any:
    """Suno's network from its definition: causal over ids [N], or, with `codebook`, fine over codes [N, 8]."""
    p = {name.removeprefix("_orig_mod."): tensor for name, tensor in state.items()}

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], p[f"{name}.weight"], p.get(f"{name}.bias"), 1e-5)

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return F.linear(x, p[f"{name}.weight"], p.get(f"{name}.bias"))

    n, width, heads = ids.shape[0], args["n_embd"], args["n_head"]
    if codebook:
        x = sum(p[f"transformer.wtes.{k}.weight"][ids[:, k]] for k in range(codebook + 1))
    else:
        x = p["transformer.wte.weight"][ids]
    x = x + p["transformer.wpe.weight"][:n]  # [N, width]
    hidden = torch.zeros(n, n) if codebook else torch.full((n, n), -torch.inf).triu(1)
    for i in range(args["n_layer"]):
        h = f"transformer.h.{i}"
        q, k, v = (
            part.view(n, heads, -1).transpose(0, 1)
            for part in linear(norm(x, f"{h}.ln_1"), f"{h}.attn.c_attn").split(width, 1)
        )
        weights = (q @ k.transpose(1, 2) / (width // heads) ** 0.5 + hidden).softmax(-1)  # [heads, N, N]
        x = x + linear((weights @ v).transpose(0, 1).reshape(n, width), f"{h}.attn.c_proj")
        x = x + linear(F.gelu(linear(norm(x, f"{h}.ln_2"), f"{h}.mlp.c_fc")), f"{h}.mlp.c_proj")
    head = f"lm_heads.{codebook - 1}" if codebook else "lm_head"
    return norm(x, "transformer.ln_f") @ p[f"{head}.weight"].T


# --- the other inputs ---


def write_codec(folder: Path, old_names: bool = False, **sizes: Any) -> Path:
    """A tiny EnCodec of 24 kHz and 8 codebooks; `old_names` gives pytorch_model.bin with weight_g and weight_v."""
    sizes = {"num_filters": 2, "hidden_size": 4, "num_lstm_layers": 1, "target_bandwidths": [6.0]} | sizes
    torch.manual_seed(0)
    codec = transformers.EncodecModel(transformers.EncodecConfig(**sizes))
    codec.save_pretrained(folder)
    if old_names:
        new = ("parametrizations.weight.original0", "parametrizations.weight.original1")
        state = {k.replace(new[0], "weight_g").replace(new[1], "weight_v"): v for k, v in codec.state_dict().items()}
        torch.save(state, folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    return folder


def write_voices(folder: Path) -> Path:
    """Two voices; the second in uint16 and in v2, as Suno's announcer and newer presets are."""
    rng = np.random.default_rng(0)
    for name, dtype in (("en_speaker_1", np.int64), ("v2/en_speaker_6", np.uint16)):
        fine = rng.integers(0, 1024, (8, 150)).astype(dtype)
        path = folder / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        semantic = rng.integers(0, 10_000, 100).astype(dtype)
        np.savez(path, semantic_prompt=semantic, coarse_prompt=fine[:2], fine_prompt=fine)
    return folder


def write_tokenizer(folder: Path) -> Path:
    """A cased WordPiece vocabulary without any other file."""
    folder.mkdir(parents=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Hello", "hello", "world", "##s", "."]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete set of valid inputs; read-only by agreement."""
    root = tmp_path_factory.mktemp("source")
    write_suno(root / "suno")
    write_codec(root / "codec")
    write_voices(root / "voices")
    write_tokenizer(root / "tokenizer")
    return root


@pytest.fixture(scope="module")
def converted(source: Path, tmp_path_factory: pytest.TempPathFactory) -> types.SimpleNamespace:
    """The valid inputs, converted with everything."""
    output = tmp_path_factory.mktemp("converted") / "bark"
    extras = {"tokenizer": source / "tokenizer", "voices": source / "voices"}
    report = convert(source / "suno", source / "codec", output, **extras)
    return types.SimpleNamespace(output=output, report=report, model=BarkModel.from_pretrained(output).eval())


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> types.SimpleNamespace:
    """Suno's recorded outputs, and the checkpoint they were recorded on, converted."""
    spec = importlib.util.spec_from_file_location("tiny_suno", GOLDENS / "tiny_suno.py")
    assert spec is not None
    assert spec.loader is not None
    tiny_suno = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny_suno)
    root = tmp_path_factory.mktemp("golden")
    tiny_suno.write(root / "suno")
    report = convert(root / "suno", root / "suno" / "encodec_24khz.th", root / "bark")
    model = BarkModel.from_pretrained(root / "bark").eval()
    return types.SimpleNamespace(report=report, model=model, outputs=np.load(GOLDENS / "suno_outputs.npz"))


def assert_untouched(folder: Path, before: set[Path]) -> None:
    """Nothing appeared or vanished, hidden folders included."""
    assert set(folder.rglob("*")) == before


# --- the numbers ---


@pytest.mark.parametrize(("bias", "prefix", "size"), [(False, "_orig_mod.", "small"), (True, "", "large")])
def test_networks_compute_what_sunos_definition_does(
    source: Path, tmp_path: Path, bias: bool, prefix: str, size: str
) -> None:
    """A swapped pair of names or a dropped bias would load without a word and speak nonsense."""
    suno = write_suno(tmp_path / "suno", size, bias, prefix)
    report = convert(suno, source / "codec", tmp_path / "bark")
    assert report.size == size
    for model in (BarkModel.from_pretrained(report.output), transformers.BarkModel.from_pretrained(report.output)):
        ids, codes = torch.arange(40) * 7, torch.arange(240).view(30, 8)
        with torch.no_grad():
            for part, kind in ((model.semantic, "text"), (model.coarse_acoustics, "coarse")):
                args = suno_args(kind, bias)
                expected = suno_logits(suno_state(kind, args), args, ids)
                torch.testing.assert_close(part(ids[None]).logits[0, -1], expected[-1], atol=1e-5, rtol=1e-4)
            args = suno_args("fine", bias)
            for codebook in (2, 7):
                expected = suno_logits(suno_state("fine", args), args, codes, codebook)
                actual = model.fine_acoustics(codebook, codes[None]).logits[0]
                torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-4)


@needs_goldens
def test_logits_are_sunos(golden: types.SimpleNamespace) -> None:
    """Suno's own code, recorded, on the same files."""
    model, outputs = golden.model, golden.outputs
    text = torch.full((1, 256), 129_595)
    ids = torch.from_numpy(outputs["plain.text_ids"].astype(np.int64))
    text[0, : len(ids)] = ids + 10_048
    embed = model.semantic.input_embeds_layer
    prompt = embed(text) + embed(torch.full((1, 256), 10_000))
    behind = torch.cat([torch.tensor([129_599]), torch.from_numpy(outputs["plain.semantic"][:20].astype(np.int64))])
    with torch.no_grad():
        semantic = model.semantic(inputs_embeds=torch.cat([prompt, embed(behind[None])], dim=1)).logits[0, -1]
        coarse = model.coarse_acoustics(torch.from_numpy(outputs["logits.coarse_input"]).long()).logits[0, -1]
        fine_input = torch.from_numpy(outputs["logits.fine_input"]).long()
        np.testing.assert_allclose(semantic.numpy(), outputs["logits.semantic"], atol=1e-4)
        np.testing.assert_allclose(coarse.numpy(), outputs["logits.coarse"], atol=1e-4)
        for key in outputs.files:
            if key.startswith("logits.fine") and key != "logits.fine_input":
                logits = model.fine_acoustics(int(key[-1]), fine_input).logits[0, 0:200:40]
                np.testing.assert_allclose(logits.numpy(), outputs[key], atol=1e-4)


@needs_goldens
def test_metas_codec_sounds_the_same(golden: types.SimpleNamespace) -> None:
    """Meta's own decoder, recorded, on Meta's file: all 32 codebooks arrive, 8 are heard."""
    codes = torch.from_numpy(golden.outputs["plain.fine"].astype(np.int64))
    with torch.no_grad():
        audio = golden.model.codec_model.decode(codes[None, None], [None]).audio_values.flatten()
    expected = golden.outputs["plain.audio"]
    np.testing.assert_allclose(audio.numpy(), expected, atol=1e-5 * np.abs(expected).max())
    assert len(golden.model.codec_model.quantizer.layers) == 32
    assert golden.report.parameters["codec_model"] == 14_851_810


@pytest.mark.parametrize("old_names", [False, True])
def test_transformers_codec_folder(source: Path, tmp_path: Path, old_names: bool) -> None:
    """Both weight-norm spellings give the same codec, with the sizes of the folder's config."""
    codec = write_codec(tmp_path / "codec", old_names)
    output = convert(source / "suno", codec, tmp_path / "bark").output
    expected = transformers.EncodecModel.from_pretrained(source / "codec")
    actual = BarkModel.from_pretrained(output).codec_model
    assert actual.config.num_filters == 2
    for name, tensor in expected.state_dict().items():
        assert torch.equal(actual.state_dict()[name], tensor), name


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_dtype_is_a_plain_cast(source: Path, converted: types.SimpleNamespace, tmp_path: Path, dtype: str) -> None:
    """A user who loads the folder without a word about types gets the type it was converted to."""
    output = convert(source / "suno", source / "codec", tmp_path / "bark", dtype=dtype).output
    exact, cast = (load_file(folder / "model.safetensors") for folder in (converted.output, output))
    assert exact.keys() == cast.keys()
    assert all(torch.equal(cast[name], exact[name].to(getattr(torch, dtype))) for name in exact)
    assert BarkModel.from_pretrained(output).dtype == getattr(torch, dtype)


# --- the folder ---


def test_folder_is_the_hubs_layout(converted: types.SimpleNamespace) -> None:
    config = json.loads((converted.output / "config.json").read_text())
    assert config["model_type"] == "bark"
    assert config["architectures"] == ["BarkModel"]
    assert config["semantic_config"]["hidden_size"] == 8
    assert config["semantic_config"]["bias"] is False
    generation = json.loads((converted.output / "generation_config.json").read_text())
    stages = [generation[f"{stage}_config"] for stage in ("semantic", "coarse_acoustics", "fine_acoustics")]
    assert [stage["temperature"] for stage in stages] == [0.7, 0.7, 0.5]
    assert all(stage["do_sample"] for stage in stages)
    assert stages[0]["min_eos_p"] == 0.2
    modes = {path.name: path.stat().st_mode for path in converted.output.iterdir() if path.is_file()}
    assert modes["model.safetensors"] == modes["config.json"], "readable by whom the other files are"


def test_tied_heads_are_stored_once_and_tied_again(converted: types.SimpleNamespace) -> None:
    with safe_open(converted.output / "model.safetensors", "pt") as file:
        stored = set(file.keys())
    assert not {name for name in stored if "lm_heads" in name or name.endswith("attn.bias")}
    fine = converted.model.fine_acoustics
    assert all(fine.lm_heads[i].weight is fine.input_embeds_layers[i + 1].weight for i in range(7))


def test_processor_reads_tokenizer_and_voices(source: Path, converted: types.SimpleNamespace) -> None:
    processor = BarkProcessor.from_pretrained(converted.output)
    inputs = processor("Hello worlds.")
    assert inputs["input_ids"][0, :4].tolist() == [5, 7, 8, 9], "the case is kept"
    assert (converted.output / "vocab.txt").is_file()
    for name in ("en_speaker_1", "v2/en_speaker_6"):
        original = np.load(source / "voices" / f"{name}.npz")
        for part, array in processor.voice(name).to_dict().items():
            np.testing.assert_array_equal(array, original[part])


def test_voice_index_is_the_hubs(converted: types.SimpleNamespace) -> None:
    index = json.loads((converted.output / "speaker_embeddings_path.json").read_text())
    assert index.keys() == {"repo_or_path", "en_speaker_1", "v2/en_speaker_6"}
    for name in ("en_speaker_1", "v2/en_speaker_6"):
        for part in ("semantic_prompt", "coarse_prompt", "fine_prompt"):
            assert index[name][part] == f"speaker_embeddings/{name}_{part}.npy"
            assert (converted.output / index[name][part]).is_file()


def test_report(converted: types.SimpleNamespace, source: Path, tmp_path: Path) -> None:
    report = converted.report
    semantic = sum(p.numel() for p in transformers.BarkModel.from_pretrained(converted.output).semantic.parameters())
    assert report.parameters["semantic"] == semantic
    assert report.files["model.safetensors"] == (converted.output / "model.safetensors").stat().st_size
    on_disk = {path.relative_to(converted.output).as_posix() for path in converted.output.rglob("*") if path.is_file()}
    assert report.files.keys() == on_disk
    assert report.voices == 2
    assert report.missing == ()
    bare = convert(source / "suno", source / "codec", tmp_path / "bark")
    assert [text.split()[0] for text in bare.missing] == ["a", "voices;"]
    assert "--tokenizer" in str(bare)
    assert "--voices" in str(bare)


# --- reading safely ---


class LegacyPickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes NumPy's scalar function under the module name of NumPy 1, as Suno's published files have it."""

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if getattr(obj, "__module__", "") == "numpy._core.multiarray":
            self.write(b"cnumpy.core.multiarray\nscalar\n")
            self.memoize(obj)
        else:
            super().save_global(obj, name)


@pytest.mark.parametrize("pickler", [pickle.Pickler, LegacyPickler])
@pytest.mark.parametrize("scalar", [np.float32, np.float64])
def test_numpy_loss_is_read_under_both_module_names(tmp_path: Path, pickler: type, scalar: type) -> None:
    """torch >= 2.6 refuses Suno's published files for this one number."""
    path = tmp_path / "text.pt"
    module = types.SimpleNamespace(Pickler=pickler, __name__="pickle", dumps=pickle.dumps)
    torch.save({"best_val_loss": scalar(1.5)}, path, pickle_module=module)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    assert (b"numpy.core.multiarray" in path.read_bytes()) == (pickler is LegacyPickler)
    assert load_torch_file(path) == {"best_val_loss": 1.5}


class Evil:
    """An object whose unpickling makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_is_not_run(tmp_path: Path, zipped: bool) -> None:
    path, mark = tmp_path / "text.pt", tmp_path / "executed"
    torch.save({"model": Evil(mark)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ConversionError, match=r"refused, because it holds the Python object \w+.mkdir and only"):
        load_torch_file(path)
    assert not mark.exists()


def test_old_torch_files_are_read_too(source: Path, tmp_path: Path) -> None:
    """Files from before torch 1.6 can't be memory-mapped."""
    checkpoint = load_torch_file(source / "suno" / "fine.pt")
    torch.save(checkpoint, tmp_path / "fine.pt", _use_new_zipfile_serialization=False)
    again = load_torch_file(tmp_path / "fine.pt")
    assert again["model_args"] == checkpoint["model_args"]
    assert all(torch.equal(again["model"][name], tensor) for name, tensor in checkpoint["model"].items())


# --- the tables ---


@pytest.mark.parametrize("table", [names.CAUSAL, names.FINE, names.META_ENCODEC, names.TRANSFORMERS_ENCODEC])
def test_every_field_of_a_pattern_is_used(table: names.NameTable) -> None:
    for pattern, new in table.items():
        assert new is None or pattern.count("{") == new.count("{}"), pattern


@pytest.mark.parametrize(
    ("table", "name", "expected"),
    [
        (names.CAUSAL, "transformer.h.11.ln_2.weight", "layers.11.layernorm_2.weight"),
        (names.CAUSAL, "transformer.h.0.attn.bias", ""),
        (names.CAUSAL, "transformer.wtes.0.weight", None),
        (names.FINE, "lm_heads.6.weight", "lm_heads.6.weight"),
        (names.FINE, "transformer.h.x.ln_2.weight", None),
        (names.META_ENCODEC, "decoder.model.1.lstm.bias_hh_l1", "decoder.layers.1.lstm.bias_hh_l1"),
        (names.META_ENCODEC, "encoder.model.3.convtr.convtr.bias", None),
    ],
)
def test_new_name(table: names.NameTable, name: str, expected: str | None) -> None:
    assert new_name(name, table) == expected


# --- bad inputs ---


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Load a file of Suno's, change it, save it."""
    checkpoint = torch.load(path, weights_only=False)
    change(checkpoint)
    torch.save(checkpoint, path)


def edit_args(kind: str, **changes: Any) -> Callable[[Path], None]:
    """A change of `model_args`; None removes the entry."""

    def change(checkpoint: dict[str, Any]) -> None:
        args = checkpoint["model_args"] | changes
        checkpoint["model_args"] = {name: value for name, value in args.items() if value is not None}

    return lambda root: edit(root / "suno" / f"{kind}.pt", change)


def edit_model(kind: str, change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    """A change of the tensors."""
    return lambda root: edit(root / "suno" / f"{kind}.pt", lambda checkpoint: change(checkpoint["model"]))


def replace_codec(**sizes: Any) -> Callable[[Path], None]:
    """Another codec in the codec's place."""
    return lambda root: write_codec(root / "codec", **sizes) and None


def cut(path: str) -> Callable[[Path], None]:
    """A file that lost its second half."""

    def change(root: Path) -> None:
        whole = (root / path).read_bytes()
        (root / path).write_bytes(whole[: len(whole) // 2])

    return change


def put(path: str, text: str) -> Callable[[Path], None]:
    """A file with `text`."""
    return lambda root: (root / path).write_text(text) and None


def remove(path: str) -> Callable[[Path], None]:
    """A file that isn't there."""
    return lambda root: (root / path).unlink()


def edit_codec(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    """The codec as pytorch_model.bin with a change of the tensors."""

    def apply(root: Path) -> None:
        state = load_file(root / "codec" / "model.safetensors")
        change(state)
        torch.save(state, root / "codec" / "pytorch_model.bin")
        (root / "codec" / "model.safetensors").unlink()

    return apply


def big_vocabulary(root: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(119_550))]
    (root / "tokenizer" / "vocab.txt").write_text("\n".join(words))


def nothing(root: Path) -> None:
    """No damage: the arguments are wrong."""


def bad_voice(root: Path) -> None:
    parts = ("semantic_prompt", "coarse_prompt", "fine_prompt")
    np.savez(root / "voices" / "bad.npz", **{part: np.full((8, 9), 5000) for part in parts})


def occupied(root: Path) -> None:
    write_codec(root / "bark")


class Bad(NamedTuple):
    """A damage to valid inputs, the error that it must give (a regular expression), changed arguments."""

    damage: Callable[[Path], Any]
    message: str
    changes: dict[str, Any]


def bad(message: str, damage: Callable[[Path], Any] = nothing, **changes: Any) -> Bad:
    return Bad(damage, message, changes)


def drop_nine(model: dict[str, torch.Tensor]) -> None:
    for name in list(model)[:9]:
        del model[name]


def add_twice(model: dict[str, torch.Tensor]) -> None:
    model[SEMANTIC_KEY.removeprefix("_orig_mod.")] = model[SEMANTIC_KEY]


def set_weight(value: Any) -> Callable[[dict[str, Any]], None]:
    """Replace one weight."""
    return lambda model: model.update({SEMANTIC_KEY: value})


def copy_coarse_to_text(root: Path) -> None:
    (root / "suno/text.pt").write_bytes((root / "suno/coarse.pt").read_bytes())


HEAD = "_orig_mod.lm_heads.3.weight"
ONES = torch.ones(32, 8)
BAD_INPUTS = {
    # which files
    "file missing": bad(r"no complete set .* small: coarse.pt; large: text_2.pt, coarse", remove("suno/coarse.pt")),
    "file of the size missing": bad(r"text_2.pt doesn't exist, but Suno's text_2.pt is needed", size="large"),
    "both sizes": bad(r"both sizes: choose one with --size", lambda root: write_suno(root / "suno", "large")),
    "size unknown": bad(r"size 'medium' is unknown: use 'small' or 'large'", size="medium"),
    "folder missing": bad(r"nowhere is not a folder", suno_dir="nowhere"),
    # what is in them
    "cut short": bad(r"text.pt: not a readable torch file \([\d,]+ bytes\)", cut("suno/text.pt")),
    "a web page": bad(r"fine.pt: not a readable torch file \(16 bytes\)", put("suno/fine.pt", "<html>404</html>")),
    "not a checkpoint": bad(r"fine.pt: not one of Suno's", lambda root: torch.save([1], root / "suno" / "fine.pt")),
    "key unknown": bad(
        r"text.pt: 1 unexpected tensor names: extra\.", edit_model("text", lambda m: m.update(extra=ONES))
    ),
    "key twice": bad(r"text.pt: 1 repeated .*: transformer.h.0.mlp.c_fc.weight", edit_model("text", add_twice)),
    "key missing": bad(
        r"coarse.pt: 1 missing .*: layers.0.mlp.in_proj.weight\.", edit_model("coarse", lambda m: m.pop(SEMANTIC_KEY))
    ),
    "many missing": bad(r"fine.pt: 9 missing .* and 4 more", edit_model("fine", drop_nine)),
    "layers missing": bad(r"text.pt: 6 missing .*layers.1", edit_args("text", n_layer=2)),
    "shape wrong": bad(
        r"10 tensors of another shape .* \[24, 8\] instead of \[48, 16\]", edit_args("coarse", n_embd=16)
    ),
    "integers": bad(r"text.pt: 1 tensors of integers", edit_model("text", set_weight(ONES.long()))),
    "NaN": bad(r"coarse.pt: 1 tensors with NaN", edit_model("coarse", set_weight(ONES * torch.nan))),
    "not a tensor": bad(r"mlp.c_fc.weight' is int, not a tensor", edit_model("text", set_weight(3))),
    "untied head": bad(
        r"fine.pt: 1 of 7 heads differ .*: lm_heads.3.weight",
        edit_model("fine", lambda m: m.update({HEAD: m[HEAD] + 1})),
    ),
    # what they say about themselves
    "heads don't divide": bad(
        r"text.pt: 'model_args': hidden_size=8 must be a multiple of num_heads=3", edit_args("text", n_head=3)
    ),
    "no vocabulary": bad(r"'model_args' lacks input_vocab_size, output_vocab", edit_args("coarse", vocab_size=None)),
    "argument unknown": bad(r"fine.pt: unknown entries in 'model_args' .*: rope", edit_args("fine", rope=True)),
    "vocabulary small": bad(r"is 50,000 and must be at least 129,600", edit_args("text", input_vocab_size=50_000)),
    "coarse as text": bad(r"is 12,096 .* 129,600: .* Is this Suno's file for this part\?", copy_coarse_to_text),
    "seven codebooks": bad(r"n_codes_total is 7 and must be 8", edit_args("fine", n_codes_total=7)),
    "three codes given": bad(r"n_codes_given is 3 and must be at most 2", edit_args("fine", n_codes_given=3)),
    "short window": bad(r"block_size is 512 and must be at least 1,024", edit_args("fine", block_size=512)),
    # number formats
    "dtype unknown": bad(r"dtype 'int3' is unknown: use float32, float16, bfloat16", dtype="int3"),
    "too large for float16": bad(
        r"limit of 65504: semantic.layers.0.mlp.in_proj.weight.*--dtype bfloat16",
        edit_model("text", set_weight(ONES * 1e6)),
        dtype="float16",
    ),
    # the codec
    "codec missing": bad(r"gone.th doesn't exist, but the codec", codec="gone.th"),
    "codec config missing": bad(r"config.json doesn't exist, but EnCodec's", remove("codec/config.json")),
    "codec config broken": bad(r"config.json: not readable JSON", put("codec/config.json", "{")),
    "codec config a list": bad(r"config.json: a JSON object is needed, not list", put("codec/config.json", "[]")),
    "codec config wrong": bad(
        r"config.json: .*norm_type", put("codec/config.json", '{"model_type": "encodec", "norm_type": "x"}')
    ),
    "codec of another model": bad(r"model_type is 'dac', but", put("codec/config.json", '{"model_type": "dac"}')),
    "codec weights missing": bad(r"no weights: model.safetensors or pytorch_model", remove("codec/model.safetensors")),
    "codec cut short": bad(r"not a readable safetensors file", cut("codec/model.safetensors")),
    "codec name unknown": bad(r"pytorch_model.bin: 1 unexpected .*: x\.", edit_codec(lambda s: s.update(x=ONES))),
    "codec not Meta's": bad(
        r"x.th: 1 unexpected .*: a.b\.", lambda root: torch.save({"a.b": ONES}, root / "x.th"), codec="x.th"
    ),
    "codec of 48 kHz": bad(r"sampling_rate is 48,000 and must be 24,000", replace_codec(sampling_rate=48_000)),
    "codec of few codebooks": bad(r"num_quantizers is 2 and .* least 8", replace_codec(target_bandwidths=[1.5])),
    # voices and tokenizer
    "voices missing": bad(r"suno holds no voices", voices="suno"),
    "voice broken": bad(r"v2/bad.npz cannot be read as a voice", put("voices/v2/bad.npz", "x")),
    "voice of another shape": bad(r"bad.npz is not a valid voice", bad_voice),
    "tokenizer missing": bad(r"nowhere is not a folder: give the one that holds the tok", tokenizer="nowhere"),
    "tokenizer without vocabulary": bad(r"neither tokenizer.json nor vocab.txt", remove("tokenizer/vocab.txt")),
    "tokenizer broken": bad(r"tokenizer: the tokenizer can't be loaded", put("tokenizer/tokenizer.json", "x")),
    "tokenizer cut short": bad(r"the vocabulary lacks \[UNK\]", put("tokenizer/vocab.txt", "[PAD]")),
    "tokenizer lower-cases": bad(
        r"the tokenizer lower-cases", put("tokenizer/tokenizer_config.json", '{"do_lower_case": true}')
    ),
    "tokenizer too large": bad(r"119,555 entries and Bark has room for 119,547", big_vocabulary),
    # the output
    "output is a file": bad(r"bark is a file, but a folder is to be written", put("bark", "x")),
    "output can't be made": bad(r"file/bark can't be written", put("file", "x"), output="file/bark"),
    "output exists": bad(r"bark exists and is not empty.*--overwrite", occupied),
    "output is something else": bad(r"bark is not a Bark checkpoint, so", occupied, overwrite=True),
    "output holds an input": bad(r"suno holds the input \S*suno", output="suno", overwrite=True),
}
PATHS = {"suno_dir": "suno", "codec": "codec", "output": "bark", "tokenizer": "tokenizer", "voices": "voices"}


@pytest.mark.parametrize("case", BAD_INPUTS)
def test_bad_input_is_one_line_and_leaves_nothing(source: Path, tmp_path: Path, case: str) -> None:
    bad_input = BAD_INPUTS[case]
    for path in source.rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    bad_input.damage(tmp_path)
    before = set(tmp_path.rglob("*"))
    paths = {name: tmp_path / bad_input.changes.get(name, default) for name, default in PATHS.items()}
    with pytest.raises(ConversionError, match=bad_input.message) as raised:
        convert(**bad_input.changes | paths)
    assert "\n" not in str(raised.value)
    assert_untouched(tmp_path, before)


# --- all or nothing ---


def failing(error: BaseException) -> Callable[..., None]:
    def fail(*args: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("write_model", OSError("No space left on device")),
        ("_write_extras", KeyboardInterrupt()),
        ("verify", RuntimeError("a defect")),
    ],
)
def test_failure_at_any_step_leaves_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    monkeypatch.setattr(pipeline, step, failing(error))
    with pytest.raises(ConversionError if isinstance(error, OSError) else type(error)):
        convert(source / "suno", source / "codec", tmp_path / "bark")
    assert_untouched(tmp_path, set())


def test_verification_sees_one_changed_number(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = pipeline.write_model

    def write_wrong(model: BarkModel, folder: Path) -> None:
        with torch.no_grad():
            model.coarse_acoustics.lm_head.weight = torch.nn.Parameter(model.coarse_acoustics.lm_head.weight + 1e-6)
        write(model, folder)

    monkeypatch.setattr(pipeline, "write_model", write_wrong)
    with pytest.raises(ConversionError, match=r"verification failed: 1 tensors .*coarse_acoustics.lm_head.weight"):
        convert(source / "suno", source / "codec", tmp_path / "bark")
    assert_untouched(tmp_path, set())


def test_overwrite_replaces_the_whole_folder(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "deep" / "bark"
    convert(source / "suno", source / "codec", output)
    (output / "stale.bin").write_text("from before")
    convert(source / "suno", source / "codec", output, overwrite=True)
    assert not (output / "stale.bin").exists()
    assert [path.name for path in output.parent.iterdir()] == ["bark"]


def test_old_folder_comes_back_if_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "bark"
    output.mkdir()
    (output / "old").touch()
    rename = Path.rename

    def rename_but_new(self: Path, target: Path) -> Path:
        if ".partial-" in self.name:
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_but_new)
    with pytest.raises(ConversionError, match=r"can't be written \(no\)"), writing.staged(output) as folder:
        (folder / "new").touch()
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["bark", "bark/old"]


def test_full_disk_is_seen_beforehand(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"GB free and 1000000000.0 GB are needed: make room"):
        writing.check_space(tmp_path / "new" / "bark", 10**18)


# --- the command ---


@pytest.mark.filterwarnings("error")
def test_script_prints_a_summary(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--suno-dir", source / "suno", "--codec", source / "codec", "--output", tmp_path / "bark"]
    monkeypatch.setattr("sys.argv", ["convert_checkpoints.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(REPOSITORY / "convert_checkpoints.py"), run_name="__main__")
    assert left.value.code == 0
    printed = capsys.readouterr().out
    for text in ("Bark (small, float32)", "semantic", "M parameters", "model.safetensors", "verified: ", "missing: "):
        assert text in printed


def test_command_error_is_one_line_and_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--suno-dir", str(tmp_path), "--codec", "none", "--output", str(tmp_path / "bark")])
    error = capsys.readouterr().err.splitlines()
    assert code == 1
    assert error[-1].startswith(f"error: {tmp_path} holds no complete set of Suno's files.")
    assert sum(line.startswith("error") for line in error) == 1


def test_command_shows_no_traceback_of_a_defect(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pipeline, "verify", failing(RuntimeError("two\nlines")))
    arguments = ["--suno-dir", source / "suno", "--codec", source / "codec", "--output", tmp_path / "bark"]
    assert main([str(argument) for argument in arguments]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "error: RuntimeError: two lines"
    assert_untouched(tmp_path, set())


@pytest.mark.parametrize("argv", [[], ["--suno-dir", "a", "--codec", "b", "--output", "c", "--dtype", "int3"]])
def test_command_misuse_is_exit_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(argv)
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_sigterm_cleans_up(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedulers end jobs with SIGTERM, which by default runs no clean-up."""
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(pipeline, "verify", lambda folder, state: signal.raise_signal(signal.SIGTERM))
    arguments = ["--suno-dir", source / "suno", "--codec", source / "codec", "--output", tmp_path / "bark"]
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    assert left.value.code == 143
    assert_untouched(tmp_path, set())
    assert signal.getsignal(signal.SIGTERM) is handler
