"""`bark_hf.suno`: Suno's signatures, results and refusals, its own outputs, and its users' scripts."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import runpy
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import suno_snippets
import torch
from safetensors.torch import load_file
from scipy.io import wavfile
from test_goldens import DURATIONS, goldens, suno_model  # noqa: F401
from tiny import SHARED, needs_goldens, needs_voices, tiny_config, tiny_model, tiny_tokenizer, tiny_voice
from transformers import BertTokenizer

from bark_hf import BarkGenerationConfig, BarkModel, BarkProcessor, VoicePrompt, suno
from bark_hf.suno import generation
from bark_hf.suno import loading as store

EXAMPLES = Path(__file__).parents[1] / "examples" / "suno"
PRESETS = [f"v2/en_speaker_{n}" for n in (1, 2, 5, 6, 9)]


def write(folder, seed: int = 0, voices: list[str] = PRESETS):
    """A tiny checkpoint that says 12 semantic tokens, with voices."""
    model = tiny_model(seed)
    model.generation_config = BarkGenerationConfig(semantic_config={"max_new_tokens": 12})
    model.save_pretrained(folder)
    processor = BarkProcessor(tiny_tokenizer(folder))
    for number, name in enumerate(voices):
        processor.add_voice(name, tiny_voice(1.0, number))
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("short"))


@pytest.fixture(scope="module")
def loaded(folder):
    """The checkpoint, read once for the whole file."""
    return BarkModel.from_pretrained(folder), BarkProcessor.from_pretrained(folder)


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch):
    for name in ("SUNO_USE_SMALL_MODELS", "SUNO_OFFLOAD_CPU", "SUNO_ENABLE_MPS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # what a test writes there is undone
    monkeypatch.setattr(generation, "OFFLOAD_CPU", False)
    monkeypatch.setattr(generation, "USE_SMALL_MODELS", False)
    suno.use_model(None)
    yield
    suno.use_model(None)


@pytest.fixture
def short(loaded):
    suno.use_model(*loaded)
    return loaded[0]


# Suno's names


SIGNATURES = {
    "generate_audio": "text, history_prompt=None, text_temp=0.7, waveform_temp=0.7, silent=False, output_full=False",
    "text_to_semantic": "text, history_prompt=None, temp=0.7, silent=False",
    "semantic_to_waveform": "semantic_tokens, history_prompt=None, temp=0.7, silent=False, output_full=False",
    "save_as_prompt": "filepath, full_generation",
    "generate_text_semantic": "text, history_prompt=None, temp=0.7, top_k=None, top_p=None, silent=False, "
    "min_eos_p=0.2, max_gen_duration_s=None, allow_early_stop=True, use_kv_caching=False",
    "generate_coarse": "x_semantic, history_prompt=None, temp=0.7, top_k=None, top_p=None, silent=False, "
    "max_coarse_history=630, sliding_window_len=60, use_kv_caching=False",
    "generate_fine": "x_coarse_gen, history_prompt=None, temp=0.5, silent=True",
    "codec_decode": "fine_tokens",
    "load_model": "use_gpu=True, use_small=False, force_reload=False, model_type='text'",
    "load_codec_model": "use_gpu=True, force_reload=False",
    "clean_models": "model_key=None",
    "preload_models": "text_use_gpu=True, text_use_small=False, coarse_use_gpu=True, coarse_use_small=False, "
    "fine_use_gpu=True, fine_use_small=False, codec_use_gpu=True, force_reload=False",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_sunos(name):
    parameters = inspect.signature(getattr(suno, name)).parameters.values()
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
    assert ", ".join(map(str, bare)) == SIGNATURES[name]


def test_constants_are_sunos():
    assert suno.SAMPLE_RATE == 24_000
    assert len(suno.SUPPORTED_LANGS) == 13
    assert suno.SUPPORTED_LANGS[1] == ("German", "de")
    expected = {f"{v}{lang}_speaker_{n}" for v in ("", "v2/") for _, lang in suno.SUPPORTED_LANGS for n in range(10)}
    assert expected | {"announcer"} == suno.ALLOWED_PROMPTS


def test_switches_are_read_from_the_environment_as_suno_reads_them(monkeypatch):
    for value, expected in (("True", True), ("1", True), ("t", True), ("False", False), ("yes", False), ("", False)):
        for name in ("SUNO_USE_SMALL_MODELS", "SUNO_OFFLOAD_CPU", "SUNO_ENABLE_MPS"):
            monkeypatch.setenv(name, value)
        spec = importlib.util.spec_from_file_location("bark_hf.suno.again", generation.__file__)
        fresh = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(fresh)
        switches = (fresh.USE_SMALL_MODELS, fresh.OFFLOAD_CPU, fresh.GLOBAL_ENABLE_MPS)
        assert switches == (expected,) * 3


# Results


def test_types_and_shapes_are_sunos(short, capfd):
    full, audio = suno.generate_audio("hello world", history_prompt=PRESETS[0], output_full=True)
    kinds = {name: (tokens.dtype, tokens.shape) for name, tokens in full.items()}
    assert kinds == {
        "semantic_prompt": (np.int64, (12,)),
        "coarse_prompt": (np.int32, (2, 18)),  # floor(12 * 75 / 49.9)
        "fine_prompt": (np.int32, (8, 18)),
    }
    assert (audio.dtype, audio.shape) == (np.float32, (18 * 320,))
    np.testing.assert_array_equal(full["fine_prompt"][:2], full["coarse_prompt"])
    np.testing.assert_array_equal(suno.codec_decode(full["fine_prompt"]), audio)
    assert "12/12" in capfd.readouterr().err
    suno.generate_audio("hello world", silent=True)
    assert capfd.readouterr().err == ""


def test_greedy_is_the_models_own_greedy(short, loaded):
    """`BarkModel.generate` is compared with Suno's outputs elsewhere; here it is the oracle of the options' names."""
    expected = short.generate(
        **loaded[1]("hello world", voice_preset=PRESETS[1]), temperature=0, min_eos_p=None, return_dict_in_generate=True
    )
    semantic = suno.generate_text_semantic("hello world", PRESETS[1], temp=0, min_eos_p=None, silent=True)
    coarse = suno.generate_coarse(semantic, PRESETS[1], temp=None, silent=True)
    fine = suno.generate_fine(coarse, PRESETS[1], temp=None)
    np.testing.assert_array_equal(semantic, expected.semantic_tokens[0])
    np.testing.assert_array_equal(coarse, expected.coarse_codes[0])
    np.testing.assert_array_equal(fine, expected.fine_codes[0])


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"temp": 1.5}, {"temperature": 1.5}),
        ({"top_k": 3}, {"top_k": 3}),
        ({"top_p": 0.3}, {"top_p": 0.3}),
        ({"min_eos_p": None}, {"min_eos_p": None}),
        ({"max_gen_duration_s": 0.1}, {"max_duration_s": 0.1}),
        ({"use_kv_caching": True}, {}),
    ],
)
def test_options_of_the_semantic_stage_reach_it(short, loaded, theirs, ours):
    """The global generator gives each call one seed, which is given here to the network's own `generate`."""
    torch.manual_seed(5)
    tokens = suno.generate_text_semantic("hello world", silent=True, **theirs)
    torch.manual_seed(5)
    options = {"max_new_tokens": 12, **ours}
    seed = int(torch.randint(2**31, (1,)))
    inputs = loaded[1]("hello world")
    np.testing.assert_array_equal(tokens, short.semantic.generate(**inputs, seed=seed, **options)[0])


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({}, {"temperature": 0.7}),
        ({"temp": 1.5, "top_k": 50}, {"temperature": 1.5, "top_k": 50}),
        ({"top_p": 0.3, "use_kv_caching": True}, {"top_p": 0.3}),
        ({"max_coarse_history": 60, "temp": 0}, {"max_coarse_history": 60, "temperature": 0}),
        ({"sliding_window_len": 17}, {"sliding_window_len": 17}),
        (
            {"max_coarse_history": 600, "sliding_window_len": 168},
            {"max_coarse_history": 600, "sliding_window_len": 168},
        ),
    ],
)
def test_options_of_the_coarse_stage_reach_it(short, theirs, ours):
    semantic = np.arange(60)
    torch.manual_seed(5)
    codes = suno.generate_coarse(semantic, silent=True, **theirs)
    torch.manual_seed(5)
    seed = int(torch.randint(2**31, (1,)))
    flat = short.coarse_acoustics.generate(torch.from_numpy(semantic)[None], seed=seed, **ours)[0]
    np.testing.assert_array_equal(codes, flat.reshape(-1, 2).T - torch.tensor([[10_000], [11_024]]))


def test_a_checkpoint_with_shorter_windows_keeps_its_own(loaded):
    model = tiny_model()
    config = {"max_coarse_history": 100, "max_coarse_input_length": 128}
    model.generation_config = BarkGenerationConfig(coarse_acoustics_config=config)
    suno.use_model(model, loaded[1])
    semantic = np.arange(60)
    codes = suno.generate_coarse(semantic, temp=0, silent=True)
    flat = model.coarse_acoustics.generate(torch.from_numpy(semantic)[None], temperature=0, **config)[0]
    np.testing.assert_array_equal(codes, flat.reshape(-1, 2).T - torch.tensor([[10_000], [11_024]]))


def test_temperature_of_the_fine_stage_reaches_it(short):
    coarse = np.zeros((2, 30), np.int32)
    torch.manual_seed(5)
    fine = suno.generate_fine(coarse, temp=1.5)
    torch.manual_seed(5)
    seed = int(torch.randint(2**31, (1,)))
    flat = torch.tensor([10_000, 11_024]).repeat(30)[None]
    np.testing.assert_array_equal(fine, short.fine_acoustics.generate(flat, temperature=1.5, seed=seed)[0])
    assert (fine != suno.generate_fine(coarse, temp=None)).any()


def test_the_end_can_be_forbidden(short):
    """With a threshold that any probability reaches the model ends at once, unless it must not."""
    assert suno.generate_text_semantic("hello", min_eos_p=1e-30, silent=True).shape == (0,)
    tokens = suno.generate_text_semantic("hello", min_eos_p=1e-30, allow_early_stop=False, silent=True)
    assert tokens.shape == (12,)
    with pytest.raises(ValueError, match="x_semantic is empty: the model ended before it began"):
        suno.semantic_to_waveform(np.empty(0, np.int64))


def test_torch_manual_seed_governs(short):
    takes = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        takes.append(suno.generate_audio("hello", silent=True))
    np.testing.assert_array_equal(takes[0], takes[1])
    assert (takes[0] != takes[2]).any()


# Voices


def test_every_form_of_a_voice_is_the_same_voice(short, loaded, tmp_path):
    voice = loaded[1].voice(PRESETS[2])
    voice.save(tmp_path / "me.npz")
    arrays = voice.to_dict()
    forms = [
        PRESETS[2],
        str(tmp_path / "me.npz"),
        arrays,
        {name: array.astype(np.int16) for name, array in arrays.items()} | {"comment": "more than Suno writes"},
        voice,
    ]
    takes = [suno.generate_text_semantic("hello", form, temp=0, silent=True).tolist() for form in [*forms, None]]
    assert takes[:5] == [takes[0]] * 5
    assert takes[5] != takes[0]


def test_a_generation_becomes_a_voice(short, tmp_path):
    full, _ = suno.generate_audio("hello", silent=True, output_full=True)
    suno.save_as_prompt(str(tmp_path / "me.npz"), full)
    with np.load(tmp_path / "me.npz") as archive:
        for name in ("semantic_prompt", "coarse_prompt", "fine_prompt"):
            np.testing.assert_array_equal(archive[name], full[name])
    from_file = suno.generate_text_semantic("world", str(tmp_path / "me.npz"), temp=0, silent=True)
    np.testing.assert_array_equal(from_file, suno.generate_text_semantic("world", full, temp=0, silent=True))
    VoicePrompt.load(tmp_path / "me.npz")


def test_bad_voices_are_named(short):
    with pytest.raises(ValueError, match=r"no voice 'v2/de_speaker_3': this checkpoint has v2/en_speaker_1, v2/en_sp"):
        suno.generate_audio("hello", history_prompt="v2/de_speaker_3")
    with pytest.raises(ValueError, match="history_prompt lacks fine_prompt"):
        suno.generate_fine(np.zeros((2, 9), int), {"semantic_prompt": 0, "coarse_prompt": 0})
    with pytest.raises(ValueError, match="history_prompt is a int"):
        suno.generate_coarse(np.zeros(9, int), 5)
    with pytest.raises(FileNotFoundError, match=r"no\.npz"):
        suno.generate_text_semantic("hello", "no.npz")
    with pytest.raises(ValueError, match=r"coarse_prompt has shape \[9\]"):
        suno.generate_audio(
            "hello",
            {"semantic_prompt": np.zeros(6, int), "coarse_prompt": np.zeros(9, int), "fine_prompt": np.zeros(9, int)},
        )


def test_a_wrong_voice_stops_before_anything_is_loaded(folder, monkeypatch):
    suno.use_model(folder)
    monkeypatch.setattr(BarkModel, "from_pretrained", None)
    assert suno.available_prompts() == PRESETS
    with pytest.raises(ValueError, match="no voice 'slt'"):
        suno.generate_audio("hello", history_prompt="slt")


def test_what_is_saved_must_be_a_voice(tmp_path):
    arrays = tiny_voice().to_dict()
    for path, content, message in [
        ("me.npy", arrays, r"saved as \.npz"),
        ("me.npz", {"semantic_prompt": arrays["semantic_prompt"]}, "lacks coarse_prompt, fine_prompt"),
        ("me.npz", [1], "full_generation is a list"),
        ("me.npz", arrays | {"fine_prompt": np.zeros((8, 9))}, "fine_prompt is of type float64"),
    ]:
        with pytest.raises(ValueError, match=message):
            suno.save_as_prompt(tmp_path / path, content)
    assert not list(tmp_path.iterdir())


# Refusals


def test_what_suno_asserts_is_said(short):
    for call, message in [
        (lambda: suno.generate_audio(["hello"]), "text is a list"),
        (lambda: suno.generate_audio(" \n"), "text is empty or white space"),
        (lambda: suno.generate_text_semantic("hello", temp=-1), "temperature=-1"),
        (lambda: suno.generate_coarse([1, 2]), "x_semantic is a list"),
        (lambda: suno.generate_coarse(np.zeros(3)), "x_semantic is of type float64"),
        (lambda: suno.generate_coarse(np.zeros((1, 3), int)), r"x_semantic has shape \[1, 3\], but must have \[S\]"),
        (lambda: suno.generate_coarse(np.array([0, 10_000])), r"x_semantic holds values 0\.\.10000.*0\.\.9999"),
        (lambda: suno.generate_coarse(np.array([-1])), r"x_semantic holds values -1"),
        (
            lambda: suno.generate_coarse(np.zeros(3, int), max_coarse_history=59),
            "max_coarse_history=59 must be from 60",
        ),
        (lambda: suno.generate_coarse(np.zeros(3, int), max_coarse_history=631), "max_coarse_history=631"),
        (lambda: suno.generate_coarse(np.zeros(3, int), sliding_window_len=139), "sliding_window_len=139 .* = 138"),
        (lambda: suno.generate_fine(np.zeros((8, 3), int)), r"x_coarse_gen has shape \[8, 3\].*K from 1 to 7"),
        (lambda: suno.generate_fine(np.full((2, 3), 1024)), r"x_coarse_gen holds values 1024"),
        (lambda: suno.codec_decode(np.zeros((8, 0), int)), "fine_tokens is empty"),
        (lambda: suno.codec_decode(np.full((8, 1), -1)), "fine_tokens holds values -1"),
        (lambda: suno.load_model(model_type="codec"), "model_type='codec'"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


# Loading


@pytest.fixture
def reads(monkeypatch):
    """The checkpoints that are read, in order."""
    found, read = [], BarkModel.from_pretrained
    monkeypatch.setattr(BarkModel, "from_pretrained", lambda source: found.append(str(source)) or read(source))
    return found


def test_models_are_read_once_when_needed(folder, reads, monkeypatch):
    monkeypatch.setenv("BARK_HF_MODEL", str(folder))
    assert not store.models
    threads = [threading.Thread(target=suno.codec_decode, args=(np.zeros((8, 3), int),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    suno.preload_models()
    assert reads == [str(folder)]
    assert sorted(store.models) == ["coarse", "codec", "fine", "text"]
    assert suno.load_model() is store.models["text"]
    assert sorted(store.models["text"]) == ["model", "tokenizer"]
    coarse = suno.load_model(model_type="coarse")
    suno.clean_models("coarse")
    assert suno.load_model(model_type="coarse") is not coarse
    suno.preload_models(force_reload=True)
    assert reads == [str(folder)] * 3


def test_sizes_may_be_mixed(folder, tmp_path, reads, monkeypatch):
    """As in Suno's low-memory recipes: each network from the checkpoint that was asked for, nothing else is kept."""
    small = write(tmp_path / "small", seed=1)
    folders = {"suno/bark": folder, "suno/bark-small": small}
    read, read_processor = BarkModel.from_pretrained, BarkProcessor.from_pretrained
    monkeypatch.setattr(BarkModel, "from_pretrained", lambda name: read(folders[name]))
    monkeypatch.setattr(BarkProcessor, "from_pretrained", lambda name: read_processor(folders[name]))
    suno.preload_models(text_use_small=True, fine_use_small=True)
    assert reads == [str(small), str(folder)]
    assert not store._spare
    for key, source in (("text", small), ("coarse", folder), ("fine", small)):
        name = f"{store.PARTS[key]}.position_embeds_layer.weight"
        expected = load_file(source / "model.safetensors")[name]
        torch.testing.assert_close(store.network_of(key).position_embeds_layer.weight.data, expected, rtol=0, atol=0)
    monkeypatch.setattr(generation, "USE_SMALL_MODELS", True)
    suno.preload_models(force_reload=True)
    assert reads[2:] == [str(small)]


def test_offloaded_models_visit_their_device(folder, monkeypatch):
    """The CPU plays the GPU: what counts is the order of moves, and that nothing else may run meanwhile."""
    suno.use_model(folder)
    monkeypatch.setattr(generation, "OFFLOAD_CPU", True)
    monkeypatch.setattr(generation, "_best_device", lambda use_gpu: "cpu:0" if use_gpu else "cpu")
    suno.preload_models(coarse_use_gpu=False)
    assert store.models_devices == {"text": "cpu:0", "coarse": "cpu", "fine": "cpu:0", "codec": "cpu:0"}
    moves = []
    for key in store.PARTS:
        network = store.network_of(key)
        to = network.to
        monkeypatch.setattr(
            network, "to", lambda device, key=key, to=to: moves.append((key, str(device))) or to(device)
        )
    suno.generate_audio("hello", silent=True)
    expected = [(key, place) for key in store.PARTS for place in (store.models_devices[key], "cpu")]
    assert moves == expected


def test_a_model_given_as_an_object_stays_where_it_is(loaded, monkeypatch):
    monkeypatch.setattr(generation, "_best_device", lambda use_gpu: "cuda")
    suno.use_model(*loaded)
    suno.preload_models()
    assert store.models["coarse"] is loaded[0].coarse_acoustics
    assert suno.available_prompts() == PRESETS
    with pytest.raises(ValueError, match="give its processor too"):
        suno.use_model(tiny_model())


def test_another_sampling_rate_is_refused(loaded):
    model = BarkModel(tiny_config())
    model.generation_config = BarkGenerationConfig(sample_rate=16_000)
    suno.use_model(model, loaded[1])
    with pytest.raises(ValueError, match="16000 samples per second"):
        suno.preload_models()


def test_codec_has_metas_interface(loaded):
    """As voice-cloning scripts call it; EnCodec itself would give its lowest bandwidth, 2 codebooks."""
    config = tiny_config(target_bandwidths=[1.5, 6.0])
    torch.manual_seed(3)
    model = BarkModel(config).eval()
    for name, buffer in model.codec_model.named_buffers():
        if name.endswith(("embed", "embed_avg")):
            buffer.normal_()
    suno.use_model(model, loaded[1])
    codec = suno.load_codec_model(use_gpu=False)
    assert (codec.sample_rate, codec.channels) == (24_000, 1)
    sound = torch.randn(1, 1, 320 * 9)
    encoded_frames = codec.encode(sound)
    codes = torch.cat([encoded[0] for encoded in encoded_frames], dim=-1).squeeze()
    with torch.no_grad():
        torch.testing.assert_close(codes, model.codec_model.encode(sound, bandwidth=6.0).audio_codes[0, 0])
    assert codes.shape == (8, 9)
    np.testing.assert_array_equal(codec.decode(encoded_frames)[0, 0], suno.codec_decode(codes.numpy()))
    with pytest.raises(ValueError, match="mix to mono"):
        codec.encode(torch.zeros(1, 2, 640))


# Suno's own outputs and its users' scripts


@pytest.fixture
def golden_model(suno_model, goldens):  # noqa: F811
    """Suno's tiny checkpoint with a tokenizer that has a word for every id of the reference texts."""
    ids = sorted({int(i) for case in DURATIONS for i in goldens[f"{case}.text_ids"]})
    special = {name: 119_000 + n for n, name in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))}
    suno.use_model(suno_model, BarkProcessor(BertTokenizer(vocab=special | {f"w{i}": i for i in ids})))


@needs_goldens
@needs_voices
@pytest.mark.filterwarnings("ignore:Text 0 has 300 tokens")
@pytest.mark.parametrize("case", DURATIONS)
def test_semantic_tokens_are_sunos(golden_model, goldens, case):  # noqa: F811
    key = f"{case}.voice"
    voice = str(SHARED / "data" / "suno_voices" / f"{goldens[key]}.npz") if key in goldens.files else None
    text = " ".join(f"w{i}" for i in goldens[f"{case}.text_ids"])
    semantic = suno.generate_text_semantic(
        text, voice, top_k=1, min_eos_p=None, max_gen_duration_s=DURATIONS[case], silent=True
    )
    np.testing.assert_array_equal(semantic, goldens[f"{case}.semantic"])


@needs_goldens
@needs_voices
@pytest.mark.parametrize("case", ["plain", "voice0"])
def test_codes_and_sound_are_sunos(golden_model, goldens, case):  # noqa: F811
    key = f"{case}.voice"
    voice = str(SHARED / "data" / "suno_voices" / f"{goldens[key]}.npz") if key in goldens.files else None
    coarse = suno.generate_coarse(goldens[f"{case}.semantic"], voice, top_k=1, silent=True)
    np.testing.assert_array_equal(coarse, goldens[f"{case}.coarse"])
    fine = suno.generate_fine(coarse, voice, temp=None)
    np.testing.assert_array_equal(fine, goldens[f"{case}.fine"])
    expected = goldens[f"{case}.audio"]
    assert np.abs(suno.codec_decode(fine) - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("name", suno_snippets.ALL)
def test_snippets_run_with_their_imports_changed(name, folder, tmp_path, monkeypatch):
    played = []
    notebook = types.ModuleType("IPython.display")
    notebook.Audio = lambda data, rate: played.append((data.shape[0], rate))
    nltk = types.ModuleType("nltk")
    nltk.sent_tokenize = lambda text: re.split(r"(?<=[.!?])\s+", text)
    for module, stub in (("IPython", types.ModuleType("IPython")), ("IPython.display", notebook), ("nltk", nltk)):
        monkeypatch.setitem(sys.modules, module, stub)
    for function in ("reset_peak_memory_stats", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, function, lambda: 0)
    monkeypatch.setenv("BARK_HF_MODEL", str(folder))
    monkeypatch.chdir(tmp_path)
    code = suno_snippets.with_our_imports(suno_snippets.ALL[name])
    assert not re.search(r"(import|from) bark\b", code.replace("import bark_hf.suno as bark", ""))
    torch.manual_seed(0)
    names: dict = {"__name__": "__main__"}
    exec(compile(code, name, "exec"), names)
    assert names["audio_array"].dtype == np.float32
    assert names["audio_array"].shape[0] % 320 == 0
    if name == "readme":
        rate, written = wavfile.read("bark_generation.wav")
        assert (rate, written.shape[0]) == (24_000, played[0][0])
    assert len(played) == {"readme": 1, "long_form": 3}.get(name, 0)


EXAMPLE_ARGUMENTS = {
    "basics": ["--text", "Hello."],
    "dialogue": ["--script", "play.txt", "--cast", "John=v2/en_speaker_2"],
    "long_form": ["--file", "book.txt", "--advanced"],
    "memory": [],
    "small_models_on_cpu": [],
}


def test_every_example_is_run():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(EXAMPLE_ARGUMENTS)


@pytest.mark.parametrize("name", EXAMPLE_ARGUMENTS)
def test_examples_run(name, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("book.txt").write_text("One sentence.\nAnother one!", encoding="utf-8")
    Path("play.txt").write_text("John: Hello: you.\n\nMary: Hello.", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [name, "--model", str(folder), *EXAMPLE_ARGUMENTS[name]])
    torch.manual_seed(0)
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    sounds = {path.name: wavfile.read(path) for path in Path().glob("*.wav")}
    expected = {
        "basics": {"bark_generation.wav": 5_760, "same_voice.wav": 5_760, "preset.wav": 5_760},
        "dialogue": {"dialogue.wav": 2 * (5_760 + 12_000)},
        "long_form": {"long_form.wav": 2 * (5_760 + 6_000)},
    }
    assert {file: samples.shape[0] for file, (_, samples) in sounds.items()} == expected.get(name, {})
    assert all(rate == 24_000 for rate, _ in sounds.values())
    said = {"dialogue": "John: v2/en_speaker_2, Mary: v2/en_speaker_2", "small_models_on_cpu": "0.2 s of audio"}
    assert said.get(name, "") in printed
    assert printed.count("weights") == {"memory": 2}.get(name, 0)
