"""`bark-hf bench` and what is behind it, on tiny networks. Times are not tested, only what they are times of."""

from __future__ import annotations

import json
import statistics

import pytest
import torch
from typer.testing import CliRunner

from bark_hf.benchmarking import MODES, measure
from bark_hf.benchmarking.memory import memory
from bark_hf.benchmarking.pair import STAGES, build, n_frames, random_tokens
from bark_hf.benchmarking.report import memory_table, plot, processor, table
from bark_hf.cli import app

MODES_HERE = ["transformers", "exact", "int8"]


@pytest.fixture(scope="module")
def measured():
    lines: list[str] = []
    return measure(MODES_HERE, "tiny", seconds=1.0, batch=2, rounds=2, say=lines.append), lines


def test_every_stage_of_every_mode_is_measured_every_round(measured):
    result, lines = measured
    assert list(result.seconds) == MODES_HERE
    for stages in result.seconds.values():
        assert list(stages) == list(STAGES)
        assert all(len(values) == 2 and min(values) > 0 for values in stages.values())
    assert result.sound == 2 * n_frames(result.n_tokens) / 75
    assert [line.partition(":")[0] for line in lines] == [*MODES_HERE, "round 1", "round 2"]
    assert not result.faults


def test_both_sides_do_the_same_work(measured):
    """Whatever the speed: the exact mode makes the tokens of Transformers in the semantic and the fine stage."""
    result, _ = measured
    assert result.tokens_equal["semantic"]
    assert result.tokens_equal["fine"]


def test_sides_share_their_weights():
    ours, theirs = build("tiny", "cpu")
    assert ours.semantic.lm_head.weight.data_ptr() == theirs.semantic.lm_head.weight.data_ptr()
    assert ours.codec_model is theirs.codec_model


def test_given_tokens_are_valid():
    given = random_tokens(2, 50, "cpu")
    assert given["coarse"].shape == (2, 50)  # the semantic stage's result
    assert given["codec"].shape == (2, 8, n_frames(50))
    assert given["fine"].shape == (2, 2 * n_frames(50))
    first, second = given["fine"][:, ::2], given["fine"][:, 1::2]
    assert ((first >= 10_000) & (first < 11_024)).all()
    assert ((second >= 11_024) & (second < 12_048)).all()


def test_table_is_medians_and_their_ratios(measured, tmp_path):
    result, _ = measured
    rows = [line.strip("| ").split(" | ") for line in table(result).splitlines()[2:]]
    assert [row[0] for row in rows] == MODES_HERE
    totals = [sum(statistics.median(v) for v in result.seconds[mode].values()) for mode in MODES_HERE]
    assert [row[6] for row in rows] == [f"{totals[0] / total:.2f}" for total in totals]
    assert [row[5] for row in rows] == [f"{total / result.sound:.2f}" for total in totals]
    plot(result, tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 5_000


def test_memory_is_that_of_other_processes():
    figures = memory(["exact", "int8"], "tiny", "cpu")
    for figure in figures.values():
        assert 0 < figure["load_s"] < figure["first_sound_s"]
        assert 50 < figure["imports_mb"] < figure["peak_mb"]
    assert memory_table(figures).count("\n") == 3


def test_command(tmp_path):
    result = CliRunner().invoke(
        app, ["bench", "--size", "tiny", "--seconds", "0.5", "--rounds", "1", "--modes", "exact,int4", "--json"]
    )
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout[result.stdout.index("{") :])
    assert set(content["real_time_factor"]) == {"exact", "int4"}
    assert content["machine"]["torch"] == torch.__version__
    assert content["machine"]["processor"] == processor()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--modes", "int9"], "'int9', which is no mode; Did you mean 'int8'? there are transformers, exact"),
        (["--modes", "int8,int8"], "must name each mode once"),
        (["--rounds", "0"], "measures nothing"),
        (["--plot", "no/such/x.png"], "does not exist; create it first"),
    ],
)
def test_command_lines_that_can_not_be(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        app(["bench", *arguments])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_modes_are_those_of_the_help():
    text = CliRunner().invoke(app, ["bench", "--help"]).stdout
    assert all(mode in text for mode in MODES)
