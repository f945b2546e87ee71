"""A Bark with Suno's vocabularies and small coarse and fine networks: configs and ids alone, no weights yet.

    python recipes/suno_voices/base.py OUT/base

The semantic network is as small as can be and never gets weights; the codec never gets any either.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bark_hf import BarkConfig, BarkGenerationConfig


def config() -> BarkConfig:
    """Three blocks of width 192 in the coarse and the fine network."""
    sizes = {"num_layers": 3, "num_heads": 6, "hidden_size": 192, "bias": False, "block_size": 1_024}
    return BarkConfig(
        semantic_config={"num_layers": 1, "num_heads": 1, "hidden_size": 16, "input_vocab_size": 129_600},
        coarse_acoustics_config=sizes | {"input_vocab_size": 12_096, "output_vocab_size": 12_096},
        fine_acoustics_config=sizes | {"input_vocab_size": 1_056, "output_vocab_size": 1_056},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    folder = parser.parse_args().out
    config().save_pretrained(folder)
    BarkGenerationConfig().save_pretrained(folder)  # Suno's ids, rates and windows
    print(folder)


if __name__ == "__main__":
    main()
