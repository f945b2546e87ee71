"""A first lesson for the semantic stage: which phones a text has, each once, without their durations.

    python recipes/demo/phones.py OUT

Reads OUT/prepared, writes OUT/prepared_phones: the same clips with runs of one phone's labels as a single token, the
phone's first third. Sequences are a quarter as long and every token depends on the text, so the network finds out
within minutes which letter each sound comes from; at full length that took more than ten times as long. The codes are
cut to the new length and have no meaning: this data is for the semantic stage alone.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
from pathlib import Path
from typing import Any

from bark_hf.training.dataset import FEATURES, load_prepared


def one_token_per_phone(row: dict[str, Any]) -> dict[str, Any]:
    """The row with semantic tokens [number of phones] and as many codes as belong to them."""
    semantic = [3 * phone for phone, _ in itertools.groupby(token // 3 for token in row["semantic"])]
    n_frames = len(semantic) * 3 // 2
    codes = [book[:n_frames] for book in row["codes"]]
    return row | {"semantic": semantic, "codes": codes, "seconds": n_frames / 75}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    clips = load_prepared(args.out / "prepared").map(one_token_per_phone, features=FEATURES)
    part = args.out / "prepared_phones.part"
    clips.save_to_disk(part)
    shutil.rmtree(args.out / "prepared_phones", ignore_errors=True)
    part.rename(args.out / "prepared_phones")


if __name__ == "__main__":
    main()
