"""`bark-hf say` on long texts, scripts and candidates: what reaches `read_long`, what is written, what is refused."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from types import SimpleNamespace

import fakes
import pytest
import soundfile
from typer.testing import CliRunner

from bark_hf import BarkGenerationConfig, BarkModel, BarkProcessor
from bark_hf.cli import app, long_text
from bark_hf.cli import say as say_module
from bark_hf.cli.long_options import LongOptions, needs_pieces
from bark_hf.longform import read_long, read_script, take_seed

FAST = ("--max-duration", "0.25", "--seed", "3")
KEYWORDS = {"max_duration_s": 0.25, "seed": 3}
TEXT = "hello\n\npizza"
SCRIPT = "Ann: hello\n# comment\nBob: pizza\n"


def say(*args):
    return CliRunner().invoke(app, ["say", *(str(arg) for arg in args)])


def succeeded(result):
    assert result.exit_code == 0, result.output
    return result.stdout


def failed(result, *words, code=1):
    assert result.exit_code == code, result.output
    lines = [line for line in result.stderr.strip().splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]


@pytest.fixture(scope="module")
def pair(checkpoint):
    return BarkModel.from_pretrained(checkpoint), BarkProcessor.from_pretrained(checkpoint)


def test_a_long_text_is_what_read_long_gives(checkpoint, pair, tmp_path):
    """And the pieces' folder goes when the sound is written."""
    book, out = tmp_path / "book.txt", tmp_path / "book.wav"
    book.write_text(TEXT)
    options = ("--voice", "v2/en_speaker_6", "--json", "--save-voice", tmp_path / "me.npz")
    content = json.loads(succeeded(say("-m", checkpoint, "--file", book, "-o", out, *FAST, *options)))
    expected = read_long(*pair, TEXT, "v2/en_speaker_6", **KEYWORDS)
    assert content["segments"] == [segment.to_dict() for segment in expected.segments]
    assert soundfile.info(out).frames == expected.samples == content["samples"]
    assert (content["seed"], content["resumed"], content["folder"]) == (3, 0, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.txt", "book.wav", "me.npz"]


def test_a_script(checkpoint, pair, tmp_path):
    play, out, folder = tmp_path / "play.txt", tmp_path / "play.wav", tmp_path / "kept"
    play.write_text(SCRIPT)
    command = ("-m", checkpoint, "--script", play, "--cast", "Ann=v2/en_speaker_6", "--cast", "Bob=de_speaker_1", *FAST)
    printed = succeeded(say(*command, "-o", out, "--resume-to", folder))
    cast = {"Ann": "v2/en_speaker_6", "Bob": "de_speaker_1"}
    expected = read_script(*pair, SCRIPT, cast, **KEYWORDS)
    assert soundfile.info(out).frames == expected.samples
    assert "2 pieces" in printed
    assert str(folder) in printed
    # the same command finds everything there; --retake makes one piece again
    again = json.loads(succeeded(say(*command, "-o", out, "--resume-to", folder, "--json")))
    assert (again["resumed"], again["rtf"]) == (2, None)
    again = json.loads(succeeded(say(*command, "-o", out, "--resume-to", folder, "--retake", "1", "--json")))
    assert [segment["version"] for segment in again["segments"]] == [0, 1]
    assert again["segments"][0]["seed"] == take_seed(3, 0)
    failed(say(*command, "-o", out, "--resume-to", folder, "--retake", "2"), "--retake 2", "0 to 1", code=2)
    failed(
        say(*command, "-o", out, "--resume-to", folder, "--candidates", "2"), "candidates=1, now 2", "another folder"
    )


def test_candidates_of_a_short_text(checkpoint, tmp_path):
    out = tmp_path / "out.wav"
    content = json.loads(succeeded(say("-m", checkpoint, "hello", "-o", out, *FAST, "--candidates", "3", "--json")))
    [segment] = content["segments"]
    assert segment["seed"] in {take_seed(3, 0, n) for n in range(3)}
    assert segment["faults"]  # the tiny model never ends by itself


def test_a_run_that_fails_keeps_its_pieces_beside_the_output(checkpoint, tmp_path, monkeypatch):
    out = tmp_path / "out.wav"
    command = ("-m", checkpoint, TEXT, "-o", out, *FAST)

    def refuse(result, destination):
        raise OSError("out.wav can't be written (No space left on device); make room")

    with monkeypatch.context() as patch:
        patch.setattr(long_text, "_write", refuse)
        result = say(*command)
    failed(result, "No space left")
    assert "out.wav.pieces; the same command goes on" in result.stderr
    content = json.loads(succeeded(say(*command, "--json")))
    assert content["resumed"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out.wav"]


REFUSED = {
    "no script file": (("--script", "none.txt", "--cast", "A=x"), 1, ["--script none.txt can't be read"]),
    "empty script": (("--script", "empty.txt"), 1, ["--script empty.txt is empty"]),
    "binary script": (("--script", "binary.txt"), 1, ["not UTF-8"]),
    "line without a name": (("--script", "nameless.txt", "--cast", "Ann=x"), 1, ["line 2", "has no name"]),
    "uncast": (("--script", "play.txt", "--cast", "Ann=x", "--cast", "Rob=x"), 1, ["line 3", "'Bob'", "'Rob'"]),
    "cast form": (("--script", "play.txt", "--cast", "Ann"), 2, ["'Ann' is not NAME=VOICE"]),
    "cast twice": (("--script", "play.txt", "--cast", "A=x", "--cast", "A=y"), 2, ["'A' twice"]),
    "cast alone": (("hello", "--cast", "A=x"), 2, ["--cast needs --script"]),
    "script and text": (("hello", "--script", "play.txt"), 2, ["--script and TEXT exclude each other"]),
    "script and voice": (("--script", "play.txt", "-v", "x"), 2, ["--script and --voice"]),
    "0 candidates": (("hello", "--candidates", "0"), 2, ["--candidates 0 must be at least 1"]),
    "greedy candidates": (("hello", "--candidates", "2", "--greedy"), 2, ["--greedy and --candidates"]),
    "nothing to check": (("hello", "--check-with", "x:y"), 2, ["--candidates"]),
    "anchor of nothing": (("hello", "--anchor-every", "3"), 2, ["--voice-mode hybrid"]),
    "voice mode": (("hello", "--voice-mode", "rollin"), 2, ["rollin", "rolling"]),
    "piece seconds": (("hello", "--piece-seconds", "0"), 2, ["--piece-seconds 0"]),
    "retake of nothing": (("hello", "--retake", "1"), 2, ["--resume-to"]),
    "only pauses": (("[pause] [pause 2s]", "--seed", "1"), 1, ["only pause marks"]),
    "broken pause": (("hello [pause soon]",), 1, ["[pause soon] is no pause"]),
    "empty file": (("--file", "empty.txt"), 1, ["empty.txt is empty"]),
    "no run there": (("hello", "--resume-to", "other"), 1, ["no manifest.json", "empty folder"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(checkpoint, tmp_path, monkeypatch, case):
    args, code, words = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\xfa")
    (tmp_path / "nameless.txt").write_text("Ann: hi\nwho\n")
    (tmp_path / "play.txt").write_text(SCRIPT)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    failed(say("-m", checkpoint, *args, "-o", "out.wav"), *words, code=code)
    assert not (tmp_path / "out.wav").exists()
    assert not list(tmp_path.glob("*.pieces"))


SUNO, DEMO = {}, {"max_new_tokens": 250, "semantic_rate_hz": 50}


def stage(limits):
    return BarkGenerationConfig(semantic_config=limits).semantic_config


def test_which_texts_are_read_in_pieces():
    suno = stage(SUNO)
    assert not needs_pieces("Hello, my dog is cute. [laughs]", suno)
    assert not needs_pieces("word " * 30, suno)  # 150 letters, 10 s
    assert needs_pieces("word " * 40, suno)
    assert needs_pieces("One.\n\nTwo.", suno)
    assert needs_pieces("One. [pause] Two.", suno)
    assert needs_pieces("汉" * 70, suno)
    assert not LongOptions().any_given
    assert not LongOptions(cast=[], retake=[]).any_given
    assert LongOptions(candidates=1).any_given


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        (SUNO, 181),  # 12.5 s of 14.5 letters
        (DEMO, 61),  # 250 tokens are 5 s, of which 0.85 are counted on: 4.25 s
        ({"max_new_tokens": 500, "semantic_rate_hz": 50}, 123),  # 8.5 s
    ],
)
def test_the_checkpoint_says_what_is_too_long_to_be_said_at_once(limits, most):
    """The demo loses words of texts that Suno's checkpoints say at once."""
    assert not needs_pieces("a" * most, stage(limits))
    assert needs_pieces("a" * (most + 1), stage(limits))


@contextmanager
def route(limits, checkpoint, folder, monkeypatch):
    """A checkpoint with these limits, and who is asked to speak: texts of `speak`, and of `speak_long`."""
    model = shutil.copytree(checkpoint, folder / "model")
    (model / "generation_config.json").unlink()
    if limits is not None:
        BarkGenerationConfig(semantic_config=limits).save_pretrained(model)
    asked = {"whole": [], "pieces": []}
    with monkeypatch.context() as patch:
        patch.setattr(say_module, "speak", lambda text, *rest, **given: asked["whole"].append(text))
        patch.setattr(
            say_module,
            "speak_long",
            lambda text, *rest, options, **given: asked["pieces"].append((text, options.piece_seconds)),
        )
        yield model, asked


@pytest.mark.parametrize(
    ("limits", "sentences", "options", "in_pieces"),
    [
        (DEMO, 1, (), False),
        (DEMO, 2, (), True),
        (DEMO, 4, (), True),
        (SUNO, 2, (), False),
        (SUNO, 4, (), False),
        (SUNO, 5, (), True),
        (None, 4, (), False),  # a checkpoint without the file has Suno's limits
        (None, 5, (), True),
        (DEMO, 1, ("--piece-seconds", "2"), True),
        (SUNO, 1, ("--piece-seconds", "2"), True),
    ],
)
def test_say_asks_the_checkpoint(checkpoint, tmp_path, monkeypatch, limits, sentences, options, in_pieces):
    text = " ".join(["The cat sat on the mat and ate a pizza."] * sentences)  # 2.7 s each
    with route(limits, checkpoint, tmp_path, monkeypatch) as (model, asked):
        succeeded(say("-m", model, text, "-o", tmp_path / "out.wav", "--quiet", *options))
    wanted = float(options[1]) if options else None
    assert asked == ({"whole": [], "pieces": [(text, wanted)]} if in_pieces else {"whole": [text], "pieces": []})


@pytest.fixture
def scripted_say(checkpoint, tmp_path, monkeypatch):
    """`bark-hf say` on a checkpoint of at most 20 tokens, whose semantic network says as many as it is told."""
    model = shutil.copytree(checkpoint, tmp_path / "model")
    BarkGenerationConfig(semantic_config={"max_new_tokens": 20}).save_pretrained(model)

    def spoken(lengths, *args):
        load = say_module.load_model

        def loaded(*options):
            network = load(*options)
            network.semantic.steps_factory = lambda _, n_rows, __: fakes.ScriptedSteps(fakes.speech(lengths), n_rows)
            return network

        with monkeypatch.context() as patch:
            patch.setattr(say_module, "load_model", loaded)
            patch.setattr(long_text, "load_model", loaded)
            result = say("-m", model, *args, "-o", tmp_path / "out.wav", "--seed", "1")
        succeeded(result)
        return [line for line in result.stderr.splitlines() if line.startswith("warning: ")]

    return spoken


def test_sound_that_the_limit_cuts_is_not_lost_without_a_word(scripted_say):
    """20 tokens are 0.4 s; a model that has more to say is told from one that came to its end just before."""
    assert scripted_say([19], "hi") == []
    [line] = scripted_say([25], "hi", "--quiet")
    assert "the model had not come to an end after 20 semantic tokens (0.4 s)" in line
    assert "the sound is cut there; try another --seed" in line
    assert scripted_say([25], "hi", "--max-duration", "0.2") == []  # asked for
    assert scripted_say([25], "hi", "--max-duration", "9") == [line]


def test_pieces_that_the_limit_cuts_are_named(scripted_say):
    command = ("hi\n\nhi\n\nhi", "-v", "de_speaker_1")  # with a voice all pieces are one batch, in the script's order
    assert scripted_say([19, 7, 3], *command) == []
    [line] = scripted_say([25, 7, 30], *command, "--json")
    assert "pieces 0, 2 had not come to an end after 20 semantic tokens (0.4 s)" in line
    [line] = scripted_say([3, 25, 3], *command, "--quiet")
    assert "piece 1 had not" in line


def test_the_recogniser_reaches_the_scorer(monkeypatch):
    from bark_hf.evaluation import recognisers

    asked = []
    ears = SimpleNamespace(name="ears", transcribe=lambda path: "")
    monkeypatch.setattr(recognisers, "load_recogniser", lambda *args: asked.append(args) or ears)
    scorer = long_text._scorer(LongOptions(check_with="transformers:x", candidates=2, language="de"), "cpu")
    assert asked == [("transformers:x", "de", "cpu")]
    assert scorer.recogniser is ears
