"""An empty Bark of the demo's size: configs, ids, tokenizer and fresh weights in a checkpoint folder.

    python recipes/demo/base.py OUT/base [--codec OUT/codec_fitted]

The tokenizer is a WordPiece one that spells: a letter, digit or sign is a token, `##x` inside a word, so any English
text of up to 256 signs can be read. The ids of the three stages are small and stand in the configs, as they do in
every Bark checkpoint; rates and windows are Bark's, but for 50 semantic tokens per second instead of 49.9. Positions
start as `clocks.py` says.
"""

from __future__ import annotations

import argparse
import string
from pathlib import Path

import torch
from clocks import set_coarse_clock, set_semantic_clock
from transformers import AutoConfig, AutoModel, BertTokenizer

from bark_hf import BarkConfig, BarkGenerationConfig, BarkModel, BarkProcessor

SIGNS = "'.,?!-:;\"()[]♪"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

SEMANTIC_VOCAB_SIZE = 128  # 123 thirds of phones, see speech.py
CODEBOOK_SIZE = 1_024
# 5 s: hardly a training clip is longer, and words of longer texts get lost. `bark_hf.longform` makes pieces of 3.4 s
# (4.25 s at most) of it; the slower voice takes up to 1.2 times as long as is expected of such texts.
MAX_TOKENS = 250
TEXT_OFFSET, TEXT_PAD, INFER = 132, 254, 255  # behind the semantic tokens and their end mark
LAST_CODE = SEMANTIC_VOCAB_SIZE + 2 * CODEBOOK_SIZE


def vocabulary() -> list[str]:
    """The tokens, in the order of their ids."""
    inside = string.ascii_lowercase + string.digits
    return [*SPECIAL, *inside, *SIGNS, *("##" + sign for sign in inside)]


def configs(codec_config: object = None) -> BarkConfig:
    """Sizes: 2.9 M (semantic), 4.5 M (coarse) and 3.6 M (fine) parameters."""
    common = {"bias": False, "dropout": 0.0, "block_size": 1_024, "num_layers": 4}
    deep = common | {"num_layers": 6}
    return BarkConfig(
        semantic_config=deep
        | {"hidden_size": 192, "num_heads": 6, "input_vocab_size": 256, "output_vocab_size": SEMANTIC_VOCAB_SIZE + 4},
        coarse_acoustics_config=common
        | {"hidden_size": 256, "num_heads": 4, "input_vocab_size": LAST_CODE + 4, "output_vocab_size": LAST_CODE + 4},
        fine_acoustics_config=common
        | {"hidden_size": 192, "num_heads": 6, "input_vocab_size": 1_032, "output_vocab_size": 1_032},
        codec_config=codec_config,
    )


def generation_config() -> BarkGenerationConfig:
    """The demo's ids, its semantic rate, its limit, and cooler sampling than Suno's: small networks err more in
    unlikely draws.
    """
    return BarkGenerationConfig(
        semantic_config={
            "semantic_vocab_size": SEMANTIC_VOCAB_SIZE,
            "eos_token_id": SEMANTIC_VOCAB_SIZE,
            "semantic_pad_token": SEMANTIC_VOCAB_SIZE,
            "text_encoding_offset": TEXT_OFFSET,
            "text_pad_token": TEXT_PAD,
            "semantic_infer_token": INFER,
            "semantic_rate_hz": 50,
            "max_new_tokens": MAX_TOKENS,
            "temperature": 0.2,
        },
        coarse_acoustics_config={
            "coarse_semantic_pad_token": LAST_CODE,
            "coarse_infer_token": LAST_CODE + 2,
            "temperature": 0.25,
        },
        fine_acoustics_config={"temperature": 0.3},
        codebook_size=CODEBOOK_SIZE,
    )


def processor(folder: Path) -> BarkProcessor:
    """The spelling tokenizer, without voices."""
    tokens = vocabulary()
    assert TEXT_OFFSET + len(tokens) <= TEXT_PAD
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    return BarkProcessor(BertTokenizer(vocab=str(folder / "vocab.txt"), do_lower_case=True, strip_accents=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--codec", help="folder of the fitted codec; without one, an untrained EnCodec")
    args = parser.parse_args()

    torch.manual_seed(0)
    model = BarkModel(configs(AutoConfig.from_pretrained(args.codec) if args.codec else None))
    if args.codec:
        model.codec_model = AutoModel.from_pretrained(args.codec)
    set_semantic_clock(model.semantic)
    set_coarse_clock(model.coarse_acoustics)
    model.generation_config = generation_config()
    model.save_pretrained(args.out)
    processor(args.out).save_pretrained(args.out)
    print(f"{args.out}: {sum(p.numel() for p in model.parameters()):,} parameters")


if __name__ == "__main__":
    main()
