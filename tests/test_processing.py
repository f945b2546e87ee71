"""The processor: Suno's ids, whatever options are given; voices by name from checkpoints that are not trusted."""

from __future__ import annotations

import json
import logging
import os
import pickle
import re
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BatchEncoding, BertTokenizer
from transformers.models.bark.processing_bark import BarkProcessor as TransformersBarkProcessor
from transformers.pipelines.base import Pipeline, pad_collate_fn
from voice_fixtures import VOCABULARY, arrays, hub_checkpoint, suno_voices, tokenizer_json, write_checkpoint

from bark_hf import checkpoint_files, voice_library
from bark_hf.checkpoint_files import CheckpointFiles
from bark_hf.processing_bark import BarkProcessor
from bark_hf.text_inputs import normalized_texts
from bark_hf.voice_library import VoiceLibrary
from bark_hf.voices import VoicePrompt, VoiceRules

PRESETS = ["v2/en_speaker_6", "announcer"]
TEXTS = [
    "Hello world",
    "  Hello,\n\t world \u00a0\u3000 [laughs] ♪ été ",
    "Été 你好 hello",
    "zebra? 🎉 Zebra.",
    "a",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return hub_checkpoint(tmp_path_factory.mktemp("hub") / "bark")


@pytest.fixture(scope="module")
def processor(folder) -> BarkProcessor:
    return BarkProcessor.from_pretrained(folder)


@pytest.fixture
def records():
    """Messages logged by Transformers, whose logger does not propagate."""
    seen: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = seen.append  # type: ignore[method-assign]
    logger = logging.getLogger("transformers")
    logger.addHandler(handler)
    yield seen
    logger.removeHandler(handler)


def suno_ids(text: str) -> list[int]:
    """Suno: `tokenizer.encode(re.sub(r"\\s+", " ", text).strip(), add_special_tokens=False)` with a cased tokenizer."""
    tokenizer = BertTokenizer(vocab={token: index for index, token in enumerate(VOCABULARY)}, do_lower_case=False)
    return tokenizer.encode(re.sub(r"\s+", " ", text).strip(), add_special_tokens=False)


def assert_valid(inputs: BatchEncoding, n_items: int) -> None:
    assert isinstance(inputs, BatchEncoding)
    assert set(inputs) <= {"input_ids", "attention_mask", "history_prompt"}
    for name in ("input_ids", "attention_mask"):
        assert inputs[name].shape == (n_items, 256)
        assert inputs[name].dtype == torch.int64
    mask = inputs["attention_mask"]
    assert (mask.sum(1) >= 1).all()
    assert (mask.sort(descending=True, dim=1).values == mask).all()  # padded on the right
    assert (inputs["input_ids"][mask == 0] == 0).all()  # [PAD]


# --- text


def test_ids_are_suno_s(processor):
    inputs = processor(TEXTS)
    assert_valid(inputs, len(TEXTS))
    for row, mask, text in zip(inputs["input_ids"], inputs["attention_mask"], TEXTS, strict=True):
        assert row[mask.bool()].tolist() == suno_ids(text)
    assert "history_prompt" not in inputs


def test_ids_are_those_of_transformers_own_processor(folder, processor):
    theirs = TransformersBarkProcessor.from_pretrained(folder)
    for text in TEXTS:
        expected, ours = theirs(text), processor(text)
        for name in ("input_ids", "attention_mask"):
            assert torch.equal(ours[name], expected[name])


def test_white_space_is_collapsed_as_suno_does_for_every_character(processor):
    """Suno's `re.sub(r"\\s+", " ", text).strip()` over all of Unicode."""
    text = "".join(f"a{chr(code)}" for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)
    assert normalized_texts(text) == [re.sub(r"\s+", " ", text).strip()]


@pytest.mark.parametrize(
    "options",
    [
        {"truncation": True},
        {"truncation": False},
        {"truncation": "longest_first"},
        {"padding": True},
        {"padding": "max_length"},
        {"add_special_tokens": False, "return_attention_mask": True, "return_token_type_ids": False},
        {"return_tensors": None},
        {"max_length": 256},
    ],
    ids=str,
)
def test_tokenizer_options_never_change_the_inputs(processor, options):
    """`processor(text, voice_preset=..., truncation=True)` raises in Transformers."""
    inputs = processor(["Hello", "hello world"], voice_preset="announcer", **options)
    assert_valid(inputs, 2)
    assert torch.equal(inputs["input_ids"], processor(["Hello", "hello world"])["input_ids"])


@pytest.mark.parametrize("n_words", [255, 256, 257, 400, 600])
def test_long_text_is_cut_and_reported(processor, records, n_words):
    """Transformers cuts in silence, or raises inside a batch. 600 is beyond the tokenizer's own limit of 512."""
    text = " ".join(["hello"] * (n_words - 1) + ["world"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inputs = processor(["Hello", text])
    assert_valid(inputs, 2)
    assert inputs["input_ids"][1].tolist() == (suno_ids(text) + [0] * 256)[:256]
    assert len(caught) == (n_words > 256)
    assert not records
    if caught:
        assert caught[0].category is UserWarning
        assert caught[0].filename == __file__
        lost = n_words - 256
        message = str(caught[0].message)
        assert message.startswith(
            f"Text 1 has {n_words} tokens, but 256 are read: the last {lost} ({100 * lost / n_words:.1f}%) will not be"
        )
    if n_words >= 400:
        assert "from 'hello hello" in message
        assert "..." in message
        assert "Split the text" in message


def test_a_cut_shows_the_text_as_it_was_written(processor):
    with pytest.warns(UserWarning, match=r"the last 4 \(66\.7%\) will not be spoken, from 'Été 🎉 ze' on"):
        inputs = processor("Hello world Été 🎉 ze", max_length=2)
    assert_valid(inputs, 1)
    assert inputs["input_ids"][0, :3].tolist() == [*suno_ids("Hello world"), 0]


def test_a_cut_that_is_asked_for_is_not_reported(processor):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert processor("hello " * 300, truncation=True)["attention_mask"].sum() == 256


BAD_CALLS = {
    "no text": ({"text": None}, TypeError, r"text is a NoneType, but must be a string or a list of strings"),
    "a number": ({"text": 3}, TypeError, r"text is a int"),
    "bytes": ({"text": b"Hello"}, TypeError, r"text is a bytes"),
    "ids": ({"text": [[1, 2]]}, TypeError, r"Text 0 is a list, but must be a string"),
    "pair": ({"text": ["Hello", ("a", "b")]}, TypeError, r"Text 1 is a tuple"),
    "None inside": ({"text": ["Hello", None]}, TypeError, r"Text 1 is a NoneType"),
    "no items": ({"text": []}, ValueError, r"text is an empty list: give at least one string"),
    "empty": ({"text": ""}, ValueError, r"Text 0 is empty or white space"),
    "white space": ({"text": ["Hello", "\n \u3000"]}, ValueError, r"Text 1 is empty or white space.*Leave it out"),
    "control characters": ({"text": ["Hello", "\u200b\x00"]}, ValueError, r"Text 1 .* no character that the token"),
    "half a pair": ({"text": ["Hello", "\ud83d"]}, ValueError, r"Text 1 holds half a surrogate pair"),
    "numpy": ({"return_tensors": "np"}, ValueError, r"return_tensors='np': the inputs are torch tensors.*\.numpy"),
    "too long": ({"max_length": 257}, ValueError, r"max_length=257 must be a whole number from 1 to 256.*split"),
    "zero": ({"max_length": 0}, ValueError, r"max_length=0 must be"),
    "bool": ({"max_length": True}, ValueError, r"max_length=True must be"),
    "float": ({"max_length": 128.0}, ValueError, r"max_length=128.0 must be"),
    "special tokens": ({"add_special_tokens": True}, ValueError, r"add_special_tokens=True is not possible: Bark was"),
    "no mask": ({"return_attention_mask": False}, ValueError, r"return_attention_mask=False is not possible"),
    "types": ({"return_token_type_ids": True}, ValueError, r"return_token_type_ids=True is not possible"),
    "longest": ({"padding": "longest"}, ValueError, r"padding='longest' is not possible: Bark reads exactly 256"),
    "unpadded": ({"padding": False}, ValueError, r"padding=False is not possible.*Leave padding out"),
    "truncation": ({"truncation": "yes"}, ValueError, r"truncation='yes' is not possible: it is True or False"),
    "misspelt": ({"voice_presets": "announcer"}, TypeError, r"no option 'voice_presets'. Did you mean 'voice_preset'"),
    "other": ({"text_pair": "Hello"}, TypeError, r"no option 'text_pair'.*It knows text, voice_preset"),
    "unknown voice": (
        {"voice_preset": "en_speaker_6"},
        ValueError,
        r"no voice preset 'en_speaker_6'. Did you mean 'v2/en_speaker_6'\? This checkpoint has 2: list them with proc",
    ),
    "the index's own key": ({"voice_preset": "repo_or_path"}, ValueError, r"no voice preset 'repo_or_path'"),
    "absent file": ({"voice_preset": "nope.npz"}, FileNotFoundError, r"There is no voice file nope\.npz: check the pa"),
    "two voices, one text": ({"voice_preset": PRESETS}, ValueError, r"2 voices were given for 1 texts"),
    "one voice in a list": (
        {"text": ["a", "b"], "voice_preset": ["announcer"]},
        ValueError,
        r"1 voices .* for 2 texts",
    ),
    "a number as voice": ({"voice_preset": 6}, TypeError, r"A voice cannot be a int"),
    "half a voice": ({"voice_preset": {"semantic_prompt": np.zeros(9, int)}}, ValueError, r"lacks coarse_prompt, fine"),
}


@pytest.mark.parametrize(("call", "error", "message"), BAD_CALLS.values(), ids=BAD_CALLS)
def test_bad_calls_are_refused(processor, call, error, message):
    with pytest.raises(error, match=message):
        processor(**{"text": "Hello", **call})


# --- voices


def test_voices_per_item(processor, folder, tmp_path):
    own = VoicePrompt.from_dict(arrays(seed=1))
    own.save(tmp_path / "me.npz")
    expected = VoicePrompt.load(folder / "speaker_embeddings" / "v2" / "en_speaker_6")
    given = ["v2/en_speaker_6", None, tmp_path / "me.npz", str(tmp_path / "me.npz"), own, arrays(seed=1)]
    inputs = processor(["Hello"] * 6, voice_preset=given)
    assert inputs["history_prompt"] == [expected, None, own, own, own, own]
    assert inputs["history_prompt"][0].name == "v2/en_speaker_6"
    assert_valid(inputs, 6)


def test_one_voice_serves_all_items_and_none_leaves_the_key_out(processor):
    voice = processor.voice("announcer")
    assert processor(["Hello", "world"], voice_preset="announcer")["history_prompt"] == [voice, voice]
    assert processor("Hello", voice_preset=voice)["history_prompt"][0] is voice
    assert "history_prompt" not in processor(["Hello", "world"], voice_preset=[None, None])


def test_inputs_survive_devices_pipelines_and_workers(processor):
    """`BatchEncoding.to`, a pipeline's `_ensure_tensor_on_device` and its batching, and pickling to a worker."""
    inputs = processor(["Hello", "world"], voice_preset=["announcer", None])
    voices = list(inputs["history_prompt"])
    moved = inputs.to("cpu")
    assert moved["history_prompt"] == voices
    moved = Pipeline._ensure_tensor_on_device(object.__new__(_AnyPipeline), inputs, torch.device("cpu"))
    assert moved["history_prompt"] == voices
    assert pickle.loads(pickle.dumps(inputs))["history_prompt"] == voices

    items = [processor(text, voice_preset="announcer") for text in ("Hello", "world")]
    batch = pad_collate_fn(processor.tokenizer, None)(items)
    assert batch["input_ids"].shape == (2, 256)
    again = processor(["Hello", "world"], voice_preset=batch["history_prompt"])
    assert again["history_prompt"] == [voices[0], voices[0]]


class _AnyPipeline(Pipeline):
    """A pipeline with nothing but the base class's device handling."""

    _sanitize_parameters = preprocess = _forward = postprocess = None  # type: ignore[assignment]


def test_files_are_read_once_until_they_change(folder, tmp_path, monkeypatch):
    reads = []
    for module, name in ((voice_library, "read_npy"), (checkpoint_files, "cached_file")):
        original = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *args, _original=original, **kw: reads.append(args) or _original(*args, **kw)
        )
    processor = BarkProcessor.from_pretrained(folder)
    assert not any("speaker_embeddings/" in str(args) for args in reads)  # nothing is loaded before it is used
    reads.clear()
    first = processor("Hello", voice_preset="announcer")["history_prompt"][0]
    assert len(reads) == 6
    assert processor("Hello", voice_preset="announcer")["history_prompt"][0] is first
    assert len(reads) == 6

    path = tmp_path / "me.npz"
    VoicePrompt.from_dict(arrays(seed=1)).save(path)
    one, two = (processor("Hello", voice_preset=str(path))["history_prompt"][0] for _ in range(2))
    assert one is two
    VoicePrompt.from_dict(arrays(seed=2)).save(path)
    assert processor("Hello", voice_preset=str(path))["history_prompt"][0] == VoicePrompt.from_dict(arrays(seed=2))


def test_the_cache_is_bounded(monkeypatch):
    monkeypatch.setattr(voice_library, "_CACHED_VOICES", 3)
    library = VoiceLibrary({str(n): arrays(seed=n) for n in range(9)})
    for name in library.names:
        library.load(name)
    assert list(library._loaded) == ["6", "7", "8"]


def test_a_named_voice_of_one_s_own(processor, tmp_path):
    mine = BarkProcessor(processor.tokenizer, {"me": VoicePrompt.from_dict(arrays(seed=1))})
    mine.add_voice("family/you", VoicePrompt.from_dict(arrays(seed=2)))
    assert mine.available_voice_presets == ["me", "family/you"]
    mine.save_pretrained(tmp_path)
    again = BarkProcessor.from_pretrained(tmp_path)
    assert again("Hello", voice_preset="family/you")["history_prompt"] == [VoicePrompt.from_dict(arrays(seed=2))]
    mine.voice("me")
    mine.add_voice("me", VoicePrompt.from_dict(arrays(seed=3)))
    assert mine.voice("me") == VoicePrompt.from_dict(arrays(seed=3))


@pytest.mark.parametrize("name", ["", "../me", "/me", "a//b", "C:me", "a\\b", "repo_or_path", "a/../../b", "\0", None])
def test_names_that_lead_elsewhere_are_refused(processor, tmp_path, name):
    voice = VoicePrompt.from_dict(arrays())
    with pytest.raises(ValueError, match="cannot name a voice: use letters, digits"):
        BarkProcessor(processor.tokenizer).add_voice(name, voice)
    if name not in (None, "repo_or_path"):
        evil = BarkProcessor(processor.tokenizer, {"good": voice, name: voice})
        with pytest.raises(ValueError, match="cannot name a voice"):
            evil.save_pretrained(tmp_path / "in" / "side")
        assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_transformers_form_with_paths_is_taken(processor, folder):
    index = json.loads((folder / "speaker_embeddings_path.json").read_text())
    index["repo_or_path"] = str(folder)
    ours = BarkProcessor(processor.tokenizer, index)
    assert ours.voice("announcer") == processor.voice("announcer")
    assert "repo_or_path" not in ours.speaker_embeddings


# --- loading


@pytest.mark.parametrize("kind", ["vocab.txt", "tokenizer.json", "both", "tokenizer.json of an uncased model"])
def test_either_tokenizer_file_is_enough_and_case_is_kept(tmp_path, records, kind):
    """Without tokenizer_config.json Transformers lower-cases: Bark then reads another text."""
    files = {
        "vocab.txt": {"vocab.txt": "\n".join(VOCABULARY)},
        "tokenizer.json": {"tokenizer.json": tokenizer_json()},
        "both": {"vocab.txt": "\n".join(VOCABULARY), "tokenizer.json": tokenizer_json()},
        "tokenizer.json of an uncased model": {"tokenizer.json": tokenizer_json(lowercase=True)},
    }[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        processor = BarkProcessor.from_pretrained(write_checkpoint(tmp_path / "bark", files))
        inputs = processor("Hello été")
    expected = suno_ids("hello ete" if "uncased" in kind else "Hello été")
    assert inputs["input_ids"][0, : len(expected)].tolist() == expected
    assert inputs["attention_mask"].sum() == len(expected)
    assert processor.available_voice_presets == []
    assert processor.speaker_embeddings is None
    assert not records
    with pytest.raises(ValueError, match=r"this checkpoint has no voices at all\. Give the path of a .npz file"):
        processor("Hello", voice_preset="announcer")


def test_a_tokenizer_that_is_not_bert_s_works_as_its_file_says(tmp_path):
    """A small checkpoint may have a vocabulary of characters."""
    letters = Tokenizer(models.WordLevel({"?": 0, "a": 1, "b": 2, " ": 3}, unk_token="?"))
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    letters.enable_truncation(2)  # settings in the file that would shorten or pad the ids
    letters.enable_padding(length=4)
    folder = write_checkpoint(tmp_path / "bark", {"tokenizer.json": letters.to_str()})
    inputs = BarkProcessor.from_pretrained(folder)(["ab  ba", "a"])
    assert_valid(inputs, 2)
    assert inputs["input_ids"][0, :6].tolist() == [1, 2, 3, 2, 1, 0]
    assert inputs["attention_mask"].sum(1).tolist() == [5, 1]


def test_auto_class_and_pipeline_keywords_are_taken_quietly(folder, records):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        BarkProcessor.from_pretrained(str(folder), trust_remote_code=None, _from_auto=True, revision=None)
        BarkProcessor.from_pretrained(
            folder, _from_pipeline="text-to-audio", _from_auto=True, token=None, dtype="auto", device_map="auto"
        )
    assert not records


def test_presets_can_be_left_out(folder):
    assert BarkProcessor.from_pretrained(folder, speaker_embeddings_dict_path=None).available_voice_presets == []


def test_a_subfolder(tmp_path):
    hub_checkpoint(tmp_path / "repo" / "small")
    processor = BarkProcessor.from_pretrained(tmp_path / "repo", subfolder="small")
    assert processor.voice("announcer") == VoicePrompt.from_dict(arrays(seed=7))


def test_hub_cache_offline(folder, tmp_path, monkeypatch):
    """The Hub's cache holds links out of the snapshot; voices must come from the same cache, revision and token."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repo = tmp_path / "cache" / "models--somebody--bark"
    snapshot = repo / "snapshots" / commit
    for number, file in enumerate(path for path in folder.rglob("*") if path.is_file()):
        blob = repo / "blobs" / str(number)
        link = snapshot / file.relative_to(folder)
        for parent in (blob.parent, link.parent):
            parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, blob)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("network used"))

    processor = BarkProcessor.from_pretrained(
        "somebody/bark", cache_dir=tmp_path / "cache", local_files_only=True, token="hf_secret"
    )
    assert processor.voices.files.hub["revision"] == commit
    assert "hf_secret" not in repr(processor) + repr(processor.voices.files)
    (repo / "refs" / "main").write_text("f" * 40)  # the repository moves on; what is loaded later stays of one state
    assert processor.available_voice_presets == PRESETS
    assert processor.voice("v2/en_speaker_6") == VoicePrompt.from_dict(arrays(seed=6))
    (snapshot / "speaker_embeddings" / "announcer_fine_prompt.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"somebody/bark lacks speaker_embeddings/announcer_fine_prompt\.npy"):
        processor.voice("announcer")
    with pytest.raises(FileNotFoundError, match=r"has neither tokenizer.json nor vocab.txt.*local_files_only"):
        BarkProcessor.from_pretrained("somebody/else", cache_dir=tmp_path / "cache", local_files_only=True)


def test_other_numbers_of_a_checkpoint_hold_for_its_voices(tmp_path):
    config = {"codebook_size": 2048, "semantic_config": {"semantic_vocab_size": 20_000}}
    prompts = arrays()
    prompts["semantic_prompt"][0], prompts["fine_prompt"][0, 0] = 19_999, 2047
    files = {"tokenizer.json": tokenizer_json(), "generation_config.json": json.dumps(config)}
    processor = BarkProcessor.from_pretrained(write_checkpoint(tmp_path / "bark", files, {"big": prompts}))
    assert processor.voices.rules == VoiceRules(semantic_vocab_size=20_000, codebook_size=2048)
    assert processor.voice("big").fine_prompt.max() == 2047
    assert processor("Hello", voice_preset=prompts)["history_prompt"] == [processor.voice("big")]


def broken(name: str, content: str | None):
    """Change one file of a good checkpoint, or delete it."""

    def change(folder: Path) -> None:
        if content is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(content)

    return change


def without_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "vocab.txt"):
        (folder / name).unlink()


BAD_CHECKPOINTS = {
    "no tokenizer": (without_tokenizer, {}, FileNotFoundError, r"bark has neither tokenizer.json nor vocab.txt: add"),
    "broken tokenizer": (broken("tokenizer.json", "{"), {}, ValueError, r"tokenizer\.json is not valid JSON"),
    "tokenizer of a list": (broken("tokenizer.json", "[]"), {}, ValueError, r"tokenizer\.json holds a list, but must"),
    "no tokenizer in it": (broken("tokenizer.json", "{}"), {}, ValueError, r"The tokenizer files of .* cannot be read"),
    "broken config": (
        broken("tokenizer_config.json", "{"),
        {},
        ValueError,
        r"The tokenizer files of .* cannot be read",
    ),
    "broken index": (broken("speaker_embeddings_path.json", "{"), {}, ValueError, r"path\.json is not valid JSON"),
    "index bytes": (broken("speaker_embeddings_path.json", "[" * 10**5), {}, ValueError, r"path\.json is not valid"),
    "index of a list": (broken("speaker_embeddings_path.json", "[1]"), {}, ValueError, r"holds a list, but must hold"),
    "broken numbers": (
        broken("generation_config.json", '{"codebook_size": -1}'),
        {},
        ValueError,
        r"codebook_size=-1 in the generation config must be a positive number",
    ),
    "misspelt keyword": (
        lambda _: None,
        {"cachedir": "x"},
        TypeError,
        r"no option 'cachedir'. Did you mean 'cache_dir'",
    ),
    "tokenizer keyword": (lambda _: None, {"use_fast": True}, TypeError, r"no option 'use_fast'.*BarkProcessor\(token"),
}


@pytest.mark.parametrize(("change", "kwargs", "error", "message"), BAD_CHECKPOINTS.values(), ids=BAD_CHECKPOINTS)
def test_bad_checkpoints_are_refused(tmp_path, change, kwargs, error, message):
    folder = hub_checkpoint(tmp_path / "bark")
    change(folder)
    with pytest.raises(error, match=message):
        BarkProcessor.from_pretrained(folder, **kwargs)


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none/bark' is not an existing folder and cannot be a Hub repository"):
        BarkProcessor.from_pretrained(tmp_path / "none" / "bark")


def entry(**paths: object) -> dict:
    return {**{part: f"speaker_embeddings/announcer_{part}.npy" for part in arrays()}, **paths}


BAD_ENTRIES = {
    "absolute": (entry(fine_prompt="/etc/passwd"), r"fine_prompt is '/etc/passwd', which may lead out"),
    "parent": (entry(fine_prompt="../secret.npy"), r"fine_prompt is '\.\./secret\.npy', which may lead out"),
    "parent inside": (entry(coarse_prompt="speaker_embeddings/../../x.npy"), r"coarse_prompt is .* may lead out"),
    "backslashes": (entry(fine_prompt="..\\secret.npy"), r"which may lead out of the checkpoint"),
    "drive": (entry(fine_prompt="C:/secret.npy"), r"which may lead out of the checkpoint"),
    "share": (entry(fine_prompt="//host/share.npy"), r"which may lead out of the checkpoint"),
    "nothing": (entry(fine_prompt=""), r"which may lead out of the checkpoint"),
    "null byte": (entry(fine_prompt="a\0.npy"), r"which may lead out of the checkpoint"),
    "a number": (entry(fine_prompt=3), r"must give fine_prompt as a path, not 3"),
    "missing": ({"semantic_prompt": "speaker_embeddings/announcer_semantic_prompt.npy"}, r"must give coarse_prompt"),
    "a string": (
        "speaker_embeddings/announcer",
        r"must name semantic_prompt, coarse_prompt, fine_prompt, but is a str",
    ),
    "null": (None, r"but is a NoneType"),
    "lists": ({part: [1] for part in arrays()}, r"semantic_prompt is a list"),
    "empty": ({}, r"lacks semantic_prompt, coarse_prompt, fine_prompt"),
    "other file": (entry(fine_prompt="config.json"), r"config\.json cannot be read as a voice"),
    "exchanged": (entry(fine_prompt="speaker_embeddings/announcer_coarse_prompt.npy"), r"fine_prompt has shape \[2, 1"),
    "pickled": (entry(fine_prompt="pickled.npy"), r"pickled\.npy cannot be read as a voice: Object arrays"),
    "absent": (entry(fine_prompt="gone.npy"), r"lacks gone\.npy, which its speaker_embeddings_path\.json names"),
}


@pytest.mark.parametrize(("content", "message"), BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_bad_entries_of_the_index_are_refused_alone(tmp_path, content, message):
    """One bad entry is named when it is used, and the other voices still work."""
    folder = hub_checkpoint(tmp_path / "bark")
    np.save(tmp_path / "secret.npy", arrays()["fine_prompt"])
    np.save(folder / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    index = json.loads((folder / "speaker_embeddings_path.json").read_text())
    index["evil"] = content
    (folder / "speaker_embeddings_path.json").write_text(json.dumps(index))
    processor = BarkProcessor.from_pretrained(folder)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        processor("Hello", voice_preset="evil")
    assert "'evil'" in str(caught.value)
    assert processor.voice("announcer") == VoicePrompt.from_dict(arrays(seed=7))


# --- saving


def test_saved_folders_have_the_hub_s_layout_and_load_everywhere(folder, processor, tmp_path, records):
    target = tmp_path / "new" / "bark"
    written = processor.save_pretrained(target)
    assert sorted(written) == sorted(str(path) for path in target.rglob("*") if path.is_file())
    original, saved = (json.loads((at / "speaker_embeddings_path.json").read_text()) for at in (folder, target))
    assert {**saved, "repo_or_path": None} == {**original, "repo_or_path": None}
    assert saved["repo_or_path"] == "."  # no path of this machine
    for path in (folder / "speaker_embeddings").rglob("*.npy"):
        assert (target / path.relative_to(folder)).is_file()
    assert json.loads((target / "processor_config.json").read_text()) == {"processor_class": "BarkProcessor"}
    assert json.loads((target / "tokenizer_config.json").read_text())["processor_class"] == "BarkProcessor"

    again, theirs = BarkProcessor.from_pretrained(target), TransformersBarkProcessor.from_pretrained(target)
    for text in TEXTS:
        expected = processor(text, voice_preset="v2/en_speaker_6")
        ours, other = again(text, voice_preset="v2/en_speaker_6"), theirs(text, voice_preset="v2/en_speaker_6")
        assert ours["history_prompt"] == expected["history_prompt"]
        assert VoicePrompt.from_any(other["history_prompt"]) == expected["history_prompt"][0]
        for name in ("input_ids", "attention_mask"):
            assert torch.equal(ours[name], expected[name])
            assert torch.equal(other[name], expected[name])
    assert not records


def test_saving_over_itself_and_failing_halfway_keep_the_folder_whole(tmp_path, monkeypatch):
    folder = hub_checkpoint(tmp_path / "bark")
    processor = BarkProcessor.from_pretrained(folder)
    processor.save_pretrained(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(before) == 12  # config, vocabulary, two of the tokenizer, one of the processor, the list, 2 x 3 prompts
    monkeypatch.setattr(np, "save", lambda *_, **__: (_ for _ in ()).throw(OSError("No space left on device")))
    processor.add_voice("new", VoicePrompt.from_dict(arrays(seed=9)))
    with pytest.raises(OSError, match="No space left"):
        processor.save_pretrained(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_processor_without_voices_writes_no_list(processor, tmp_path):
    BarkProcessor(processor.tokenizer).save_pretrained(tmp_path)
    assert not (tmp_path / "speaker_embeddings_path.json").exists()
    assert BarkProcessor.from_pretrained(tmp_path).available_voice_presets == []


def test_push_to_hub_is_what_transformers_calls(processor, tmp_path, monkeypatch):
    """`push_to_hub()` saves with `max_shard_size`; `save_pretrained(push_to_hub=True)` hands over to it."""
    pushed = []
    monkeypatch.setattr(BarkProcessor, "push_to_hub", lambda self, repo_id, **kw: pushed.append((repo_id, kw)))
    processor.save_pretrained(tmp_path, max_shard_size="5GB")
    processor.save_pretrained(tmp_path / "mine", push_to_hub=True, private=True)
    assert pushed == [("mine", {"private": True})]
    with pytest.raises(TypeError, match="no option 'repo_id' unless push_to_hub=True"):
        processor.save_pretrained(tmp_path, repo_id="me/mine")


def test_all_of_suno_s_voices_as_one_checkpoint(processor, tmp_path):
    source = suno_voices()
    files = {str(f.relative_to(source).with_suffix("")).replace(os.sep, "/"): f for f in source.rglob("*.npz")}
    BarkProcessor(processor.tokenizer, {name: VoicePrompt.load(file) for name, file in files.items()}).save_pretrained(
        tmp_path
    )
    again = BarkProcessor.from_pretrained(tmp_path)
    assert sorted(again.available_voice_presets) == sorted(files)
    assert len(files) == 271
    for name, file in files.items():
        assert again.voice(name) == VoicePrompt.load(file)


def test_repr_and_input_names(processor):
    assert "BarkProcessor" in repr(processor)
    assert processor.model_input_names == ["input_ids", "attention_mask", "history_prompt"]
    assert isinstance(processor.voices.files, CheckpointFiles)
