"""Prepared data: what is opened, what is refused in one line, and a row as tensors."""

from __future__ import annotations

import pytest
import torch
from datasets import Dataset, DatasetDict

from bark_hf.training.dataset import FEATURES, clip_of, load_prepared

ROW = {
    "id": "a",
    "text": "hello",
    "speaker": "ann",
    "language": "en",
    "seconds": 0.04,
    "semantic": [7, 9_999],
    "codes": [[0, 1, 2], [1023, 4, 5]],
}


def saved(folder, rows=(ROW,)):
    columns = {name: [row[name] for row in rows] for name in FEATURES}
    Dataset.from_dict(columns, features=FEATURES).save_to_disk(str(folder))
    return folder


def test_round_trip(tmp_path):
    data = load_prepared(saved(tmp_path / "data"))
    assert data.features == FEATURES
    assert data[0] | {"seconds": 0.04} == ROW


@pytest.mark.parametrize("format", [None, "numpy", "torch"])
def test_a_row_as_tensors_in_every_format(tmp_path, format):
    clip = clip_of(load_prepared(saved(tmp_path / "data")).with_format(format)[0])
    assert (clip.text, clip.speaker) == ("hello", "ann")
    assert type(clip.text) is str
    assert clip.semantic.dtype == clip.codes.dtype == torch.int64
    assert clip.semantic.tolist() == ROW["semantic"]
    assert clip.codes.tolist() == ROW["codes"]


def test_faults_are_one_line_with_a_remedy(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    few = Dataset.from_list([ROW]).remove_columns(["codes", "semantic"])
    few.save_to_disk(str(tmp_path / "few"))
    DatasetDict({"train": few}).save_to_disk(str(tmp_path / "splits"))
    damaged = saved(tmp_path / "damaged")
    (damaged / "state.json").write_text("{")
    faults = {
        tmp_path / "nowhere": "is no folder",
        empty: "is no dataset",
        damaged: "is no dataset",
        tmp_path / "few": "lacks the columns semantic, codes; it has id, text",
        tmp_path / "splits": f"give one of {tmp_path / 'splits' / 'train'}",
        saved(tmp_path / "rows", rows=()): "has no rows",
    }
    for path, words in faults.items():
        with pytest.raises(ValueError) as caught:
            load_prepared(path)
        assert words in str(caught.value)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
