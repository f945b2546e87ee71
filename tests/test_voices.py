"""Voices: what Suno accepts is accepted and comes back unchanged, what Suno refuses is refused with a reason."""

from __future__ import annotations

import copy
import dataclasses
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BatchEncoding
from transformers.feature_extraction_utils import BatchFeature
from voice_fixtures import arrays, suno_voices

from bark_hf import voice_files
from bark_hf.voices import (
    SUNO_PRESETS,
    SUPPORTED_LANGUAGES,
    VoicePrompt,
    VoiceRules,
    near_presets,
    voices_for_batch,
)

PARTS = ("semantic_prompt", "coarse_prompt", "fine_prompt")


def same(voice: VoicePrompt, prompts) -> bool:
    return all(np.array_equal(getattr(voice, part), prompts[part]) for part in PARTS)


def suno_accepts(semantic, coarse, fine) -> bool:
    """Suno's three assertions (`bark/generation.py`), written down a second time as the oracle."""
    try:
        return bool(
            semantic.ndim == 1
            and len(semantic) > 0
            and semantic.min() >= 0
            and semantic.max() <= 10_000 - 1
            and coarse.ndim == 2
            and coarse.shape[0] == 2
            and coarse.min() >= 0
            and coarse.max() <= 1024 - 1
            and round(coarse.shape[-1] / len(semantic), 1) == round(75 / 49.9 * 2 / 2, 1)
            and fine.ndim == 2
            and fine.shape[0] == 8
            and fine.min() >= 0
            and fine.max() <= 1024 - 1
        )
    except ValueError:  # the minimum of an empty array
        return False


def accepts(semantic, coarse, fine) -> bool:
    try:
        VoicePrompt(semantic, coarse, fine)
    except ValueError:
        return False
    return True


# --- real voices


def test_all_of_suno_s_voices_load_save_and_come_back(tmp_path):
    folder = suno_voices()
    files = sorted(folder.rglob("*.npz"))
    assert len(files) == 271
    for file in files:
        with np.load(file) as original:
            voice = VoicePrompt.load(file)
            assert same(voice, original)
        for part in PARTS:
            array = getattr(voice, part)
            assert array.dtype == np.int64
            assert array.flags.c_contiguous
        voice.save(tmp_path / "again.npz")
        assert VoicePrompt.load(tmp_path / "again.npz") == voice
    assert sorted(str(file.relative_to(folder).with_suffix("")).replace(os.sep, "/") for file in files) == sorted(
        SUNO_PRESETS
    )


def test_the_languages_are_suno_s():
    assert " ".join(language.code for language in SUPPORTED_LANGUAGES) == "en de es fr hi it ja ko pl pt ru tr zh"
    assert SUPPORTED_LANGUAGES[-1] == ("Chinese", "zh")


# --- validation


def test_length_rule_agrees_with_suno_for_every_small_size():
    fine = np.zeros((8, 1), int)
    for n_tokens in range(60):
        for n_frames in range(100):
            prompts = np.zeros(n_tokens, int), np.zeros((2, n_frames), int), fine
            assert accepts(*prompts) == suno_accepts(*prompts), (n_tokens, n_frames)


def test_random_damage_is_judged_as_suno_judges_it():
    """Shapes and values of all three prompts at once, so that no check hides behind another."""
    rng = np.random.default_rng(1)
    verdicts = []
    for _ in range(1500):
        n_tokens = int(rng.integers(0, 40))
        shapes = [
            (n_tokens,) if rng.random() < 0.9 else (1, n_tokens),
            (int(rng.choice([2, 2, 2, 2, 1, 3])), round(n_tokens * rng.uniform(1.4, 1.6))),
            (int(rng.choice([8, 8, 8, 8, 7])), int(rng.integers(0, 20))),
        ]
        limits = [10_000, 1024, 1024]
        prompts = []
        for shape, limit in zip(shapes, limits, strict=True):
            array = rng.integers(0, limit, shape).astype(rng.choice([np.int16, np.int32, np.int64]))
            if array.size and rng.random() < 0.15:
                array.flat[rng.integers(array.size)] = rng.choice([-1, limit, limit - 1])
            prompts.append(array)
        verdicts.append(suno_accepts(*prompts))
        assert accepts(*prompts) == verdicts[-1], [(array.shape, array.dtype) for array in prompts]
    assert 100 < sum(verdicts) < 1400


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", ">i4", "uint32", "int64", "uint64"])
def test_any_integer_type_is_taken(dtype):
    prompts = {part: (array % 100).astype(dtype) for part, array in arrays().items()}
    voice = VoicePrompt.from_dict(prompts)
    assert same(voice, prompts)
    assert voice.fine_prompt.dtype == np.int64
    assert voice.fine_prompt.dtype.isnative


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.uint16, torch.int32, torch.int64])
@pytest.mark.parametrize("container", [dict, BatchFeature, BatchEncoding])
def test_tensors_in_any_container_are_taken(dtype, container):
    """Transformers' processor gives a BatchFeature of tensors; 16-bit ones crash its model."""
    small = {part: array % 100 for part, array in arrays().items()}
    prompts = container({part: torch.from_numpy(array).to(dtype) for part, array in small.items()})
    assert same(VoicePrompt.from_dict(prompts), small)


def test_what_suno_does_not_ask_for_is_not_asked_for():
    prompts = arrays()
    prompts["fine_prompt"] = np.zeros((8, 7), int)  # other codes than coarse_prompt, and another length
    assert VoicePrompt.from_dict(prompts).fine_prompt.shape == (8, 7)


def test_arrays_are_copies_and_contiguous():
    prompts = arrays()
    prompts["coarse_prompt"] = np.asfortranarray(prompts["coarse_prompt"])
    voice = VoicePrompt.from_dict(prompts)
    for array in prompts.values():
        array[:] = 0
    assert same(voice, arrays())
    assert voice.coarse_prompt.flags.c_contiguous
    voice.to_dict()["fine_prompt"][:] = 0
    assert same(voice, arrays())


TINY = VoiceRules(
    semantic_vocab_size=500, codebook_size=64, n_coarse_codebooks=1, n_fine_codebooks=4, semantic_rate_hz=25
)


def test_a_checkpoint_may_have_other_numbers():
    voice = VoicePrompt(np.full(10, 499), np.full((1, 30), 63), np.full((4, 30), 63), rules=TINY)
    assert voice.seconds == 30 / 75
    assert VoicePrompt.from_any(voice, rules=TINY) is voice
    with pytest.raises(ValueError, match=r"coarse_prompt has shape \[1, 30\], but Bark needs \[2, T\]"):
        voice.validate()
    with pytest.raises(ValueError, match=r"0\.\.499"):
        VoicePrompt.from_any(VoicePrompt.from_dict(arrays()), rules=TINY)


def test_rules_come_from_a_generation_config():
    """The nesting and names of `generation_config.json` on the Hub; what it leaves out is Bark's."""
    config = {
        "codebook_size": 64,
        "semantic_config": {"semantic_vocab_size": 500, "semantic_rate_hz": 25, "temperature": 0.7},
        "coarse_acoustics_config": {"n_coarse_codebooks": 1},
        "fine_acoustics_config": {"n_fine_codebooks": 4},
    }
    assert VoiceRules.from_generation_config(config) == TINY
    assert VoiceRules.from_generation_config({"semantic_config": None}) == VoiceRules()
    with pytest.raises(ValueError, match="semantic_rate_hz='fast' in the generation config must be a positive number"):
        VoiceRules.from_generation_config({"semantic_config": {"semantic_rate_hz": "fast"}})


BAD_PROMPTS = {
    "semantic empty": ({"semantic_prompt": np.zeros(0, int)}, r"semantic_prompt is empty"),
    "semantic batched": ({"semantic_prompt": np.zeros((1, 100), int)}, r"shape \[1, 100\], but Bark needs \[S\]"),
    "semantic a number": ({"semantic_prompt": np.array(3)}, r"shape \[\], but Bark needs \[S\]"),
    "semantic end mark": ({"semantic_prompt": np.full(100, 10_000)}, r"10000\.\.10000, but Bark needs 0\.\.9999"),
    "semantic negative": ({"semantic_prompt": np.full(100, -1)}, r"-1\.\.-1, but Bark needs 0\.\.9999"),
    "semantic float": ({"semantic_prompt": np.zeros(100)}, r"type float64, but must be of an integer type"),
    "semantic bool": ({"semantic_prompt": np.zeros(100, bool)}, r"type bool"),
    "semantic objects": ({"semantic_prompt": np.array([None] * 100)}, r"type object"),
    "semantic strings": ({"semantic_prompt": np.array(["1"] * 100)}, r"type <U1"),
    "float tensor": ({"semantic_prompt": torch.zeros(100)}, r"type torch.float32"),
    "bfloat16 tensor": ({"semantic_prompt": torch.zeros(100, dtype=torch.bfloat16)}, r"type torch.bfloat16"),
    "bool tensor": ({"semantic_prompt": torch.zeros(100, dtype=torch.bool)}, r"type torch.bool"),
    "coarse rows": ({"coarse_prompt": np.zeros((3, 150), int)}, r"coarse_prompt has shape \[3, 150\].*\[2, T\]"),
    "coarse flat": ({"coarse_prompt": np.zeros(300, int)}, r"coarse_prompt has shape \[300\]"),
    "coarse transposed": ({"coarse_prompt": np.zeros((150, 2), int)}, r"coarse_prompt has shape \[150, 2\]"),
    "coarse no frames": ({"coarse_prompt": np.zeros((2, 0), int)}, r"coarse_prompt is empty"),
    "coarse with offsets": ({"coarse_prompt": np.full((2, 150), 10_000)}, r"needs 0\.\.1023.*without offsets"),
    "coarse too short": ({"coarse_prompt": np.zeros((2, 120), int)}, r"120 frames for the 100 tokens.*about 150"),
    "coarse too long": ({"coarse_prompt": np.zeros((2, 170), int)}, r"170 frames for the 100 tokens.*1\.70 per token"),
    "fine rows": ({"fine_prompt": np.zeros((2, 150), int)}, r"fine_prompt has shape \[2, 150\].*\[8, T\]"),
    "fine no frames": ({"fine_prompt": np.zeros((8, 0), int)}, r"fine_prompt is empty"),
    "fine padding": ({"fine_prompt": np.full((8, 150), 1024)}, r"fine_prompt holds values 1024\.\.1024"),
    "fine batched": ({"fine_prompt": np.zeros((1, 8, 150), int)}, r"fine_prompt has shape \[1, 8, 150\]"),
    "uint64 beyond int64": ({"fine_prompt": np.full((8, 150), 2**63, np.uint64)}, r"9223372036854775808"),
    "unknown key": ({"history": np.zeros(3)}, r"has unknown 'history': it needs exactly semantic_prompt, coarse_"),
}


@pytest.mark.parametrize(("change", "message"), BAD_PROMPTS.values(), ids=BAD_PROMPTS)
def test_bad_prompts_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        VoicePrompt.from_dict({**arrays(), **change})


@pytest.mark.parametrize("value", [[1, 2], "semantic.npy", None, 3])
def test_what_is_no_array_is_a_type_error(value):
    with pytest.raises(TypeError, match=r"semantic_prompt is a \w+, but must be a NumPy array or a torch tensor"):
        VoicePrompt.from_dict({**arrays(), "semantic_prompt": value})


def test_a_missing_prompt_is_named():
    with pytest.raises(ValueError, match="lacks coarse_prompt, fine_prompt and has unknown 'coarse': it needs exactly"):
        VoicePrompt.from_dict({"semantic_prompt": np.zeros(3, int), "coarse": 1})


# --- files


def bytes_of_npz(tmp_path: Path) -> bytes:
    VoicePrompt.from_dict(arrays()).save(tmp_path / "whole.npz")
    return (tmp_path / "whole.npz").read_bytes()


def flipped(data: bytes) -> bytes:
    """A voice with one damaged byte in the middle of its data: the archive's checksum tells."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]


def write_pickled(path: Path) -> None:
    prompts = arrays()
    np.savez(path, **{**prompts, "semantic_prompt": np.array([{"a": 1}] * 100, dtype=object)})


def write_lying_header(path: Path) -> None:
    """A header that promises 8 TB."""
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (1099511627776,), }".ljust(117) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("semantic_prompt.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)


def write_bomb(path: Path) -> None:
    """A megabyte that unpacks to a gigabyte would do harm before any check of its values."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("semantic_prompt.npy", bytes(2 * 1024**2))


BAD_FILES = {
    "empty": (lambda path: path.write_bytes(b""), r"bad\.npz cannot be read as a voice: File is not a zip file"),
    "text": (lambda path: path.write_text("hello"), r"bad\.npz cannot be read as a voice"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps({"a": 1})), r"bad\.npz cannot be read as a voice"),
    "cut off": (lambda path: path.write_bytes(bytes_of_npz(path.parent)[:-100]), r"bad\.npz cannot be read as a voice"),
    "flipped byte": (lambda path: path.write_bytes(flipped(bytes_of_npz(path.parent))), r"bad\.npz cannot be.*CRC"),
    "pickled array": (write_pickled, r"cannot be read as a voice: Object arrays cannot be loaded"),
    "lying header": (write_lying_header, r"bad\.npz cannot be read as a voice"),
    "too big": (write_bomb, r"semantic_prompt has 2097152 bytes, the limit is 1048576"),
    "missing key": (lambda path: np.savez(path, semantic_prompt=np.zeros(3, int)), r"it has no array coarse_prompt"),
    "no npy inside": (lambda path: zipfile.ZipFile(path, "w").close(), r"it has no array semantic_prompt"),
    "not a voice": (
        lambda path: np.savez(path, **{**arrays(), "fine_prompt": np.zeros((2, 9), int)}),
        r"bad\.npz is not a valid voice: fine_prompt has shape \[2, 9\]",
    ),
    "floats": (
        lambda path: np.savez(path, **{**arrays(), "fine_prompt": np.zeros((8, 9))}),
        r"bad\.npz is not a valid voice: fine_prompt is of type float64",
    ),
}


@pytest.mark.parametrize(("write", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_bad_files_are_refused(tmp_path, monkeypatch, write, message):
    monkeypatch.setattr(voice_files, "MAX_PROMPT_BYTES", 1024**2)
    write(tmp_path / "bad.npz")
    with pytest.raises(ValueError, match=message):
        VoicePrompt.load(tmp_path / "bad.npz")


def test_a_pickle_in_a_voice_is_never_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    evil = np.array([Evil()], dtype=object)
    np.savez(tmp_path / "evil.npz", **dict.fromkeys(PARTS, evil))
    for part in PARTS:
        np.save(tmp_path / f"evil_{part}.npy", evil, allow_pickle=True)
    for path in (tmp_path / "evil.npz", tmp_path / "evil"):
        with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
            VoicePrompt.load(path)
    assert not (tmp_path / "owned").exists()


def test_absent_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no voice file .*nope\.npz: check the path"):
        VoicePrompt.load(tmp_path / "nope.npz")
    with pytest.raises(FileNotFoundError, match=r"neither a .npz file, nor nope_semantic_prompt.npy, nor a folder"):
        VoicePrompt.load(tmp_path / "nope")
    (tmp_path / "voice.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError, match=r"voice\.wav is not a voice file: give a .npz file"):
        VoicePrompt.load(tmp_path / "voice.wav")


def test_npy_sets_load_by_prefix_and_by_folder(tmp_path):
    prompts = arrays()
    folder = tmp_path / "v2"
    folder.mkdir()
    for part, array in prompts.items():
        np.save(folder / f"en_speaker_6_{part}.npy", array.astype(np.uint16))
    voice = VoicePrompt.load(folder / "en_speaker_6")
    assert same(voice, prompts)
    assert voice.name == "en_speaker_6"
    assert VoicePrompt.load(str(folder)) == voice
    np.save(folder / "other_semantic_prompt.npy", prompts["semantic_prompt"])
    with pytest.raises(ValueError, match=r"holds 2 voices \(en_speaker_6, other, ...\): name one of them"):
        VoicePrompt.load(folder)
    with pytest.raises(FileNotFoundError, match=r"other_coarse_prompt\.npy"):
        VoicePrompt.load(folder / "other")


def test_save_is_readable_elsewhere_and_leaves_no_litter(tmp_path):
    voice = VoicePrompt.from_dict(arrays(), name="mine")
    voice.save(tmp_path / "me.npz")
    with np.load(tmp_path / "me.npz") as archive:
        assert sorted(archive.files) == sorted(PARTS)
        assert same(voice, archive)
    assert [file.name for file in tmp_path.iterdir()] == ["me.npz"]
    assert VoicePrompt.load(tmp_path / "me.npz").name == "me"
    assert VoicePrompt.load(tmp_path / "me.npz", name="you").name == "you"


def test_save_refuses_what_would_surprise(tmp_path):
    voice = VoicePrompt.from_dict(arrays())
    with pytest.raises(ValueError, match=r"the path is .*me: use me\.npz"):
        voice.save(tmp_path / "me")
    with pytest.raises(FileNotFoundError, match=r"The folder .*none for me\.npz does not exist: create it first"):
        voice.save(tmp_path / "none" / "me.npz")


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    VoicePrompt.from_dict(arrays(seed=1)).save(tmp_path / "me.npz")

    def full_disk(file, **prompts):
        file.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space left"):
        VoicePrompt.from_dict(arrays(seed=2)).save(tmp_path / "me.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["me.npz"]
    assert same(VoicePrompt.load(tmp_path / "me.npz"), arrays(seed=1))


# --- objects


def test_equality_is_by_content_and_voices_travel():
    voice = VoicePrompt.from_dict(arrays(), name="a")
    assert voice == VoicePrompt.from_dict(arrays(), name="b")
    assert voice != VoicePrompt.from_dict(arrays(seed=1))
    assert voice != arrays()
    assert pickle.loads(pickle.dumps(voice)) == voice
    assert copy.deepcopy(voice) == voice
    assert dataclasses.replace(voice, name="b").name == "b"
    with pytest.raises(dataclasses.FrozenInstanceError):
        voice.name = "c"  # type: ignore[misc]
    assert repr(voice) == "VoicePrompt(name='a', semantic=[100], coarse=[2, 150], fine=[8, 150], seconds=2.0)"


def test_from_any(tmp_path):
    voice = VoicePrompt.from_dict(arrays())
    voice.save(tmp_path / "me.npz")
    assert VoicePrompt.from_any(None) is None
    assert VoicePrompt.from_any(voice) is voice
    with np.load(tmp_path / "me.npz") as archive:
        for given in (arrays(), str(tmp_path / "me.npz"), tmp_path / "me.npz", archive):
            assert VoicePrompt.from_any(given) == voice
    with pytest.raises(TypeError, match="A voice cannot be a int: give a VoicePrompt, a dictionary"):
        VoicePrompt.from_any(6)


def test_voices_for_batch():
    voice = VoicePrompt.from_dict(arrays())
    assert voices_for_batch(None, 2) == [None, None]
    assert voices_for_batch(arrays(), 2) == [voice, voice]
    assert voices_for_batch((arrays(), None), 2) == [voice, None]
    assert voices_for_batch([[voice], [voice]], 2) == [voice, voice]  # as a pipeline with batch_size=2 collates
    with pytest.raises(ValueError, match="3 voices were given for 2 texts: give one voice for all, or a list"):
        voices_for_batch([voice] * 3, 2)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("v2/en_speaker_66", "v2/en_speaker_6"),
        ("en_speaker6", "en_speaker_6"),
        ("V2/EN_speaker_6", "v2/en_speaker_6"),
        ("v2\\en_speaker_6", "v2/en_speaker_6"),
        ("anouncer", "announcer"),
        ("german", "de_speaker_0"),
    ],
)
def test_near_presets(written, expected):
    near = near_presets(written, SUNO_PRESETS)
    assert expected in near
    assert len(near) <= 3


def test_near_presets_of_nonsense_are_none():
    assert near_presets("xyzzy", SUNO_PRESETS) == []
