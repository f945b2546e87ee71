"""What the training of a semantic tokenizer can be told. Loads nothing until a training starts."""

from __future__ import annotations

from dataclasses import dataclass

from .recipe import TrainRecipe, option

KINDS = ("frame_network", "kmeans", "hubert_quantizer")
PROJECTIONS = ("none", "pca", "lda")
DTYPES = ("float16", "float32")


@dataclass(frozen=True, kw_only=True)
class TokenizerRecipe(TrainRecipe):
    """Sound -> semantic tokens. `data` is a folder of recordings, with labels in metadata.jsonl for the networks.

    Labels are the metadata's column `semantic`, the tokens of the tokenizer `teacher`, or, for hubert_quantizer, the
    tokens from which the checkpoint `model` made the sound; the pairs are then written to `data` first.
    """

    data: str = option(help="Folder with recordings, and for networks their labels in metadata.jsonl.")
    eval_data: str | None = option(None, help="Such a folder to evaluate on; replaces eval_fraction.")
    kind: str = option("frame_network", help="What makes the tokens.", choices=KINDS)
    vocab_size: int | None = option(
        None, help="Tokens; labels are below it. Default: Bark's 10,000 for hubert_quantizer, else 128.", least=2
    )
    teacher: str | None = option(None, help="Semantic tokenizer whose tokens are the labels, instead of metadata's.")
    model: str | None = option(None, help="Bark checkpoint that speaks the training data for hubert_quantizer.")
    texts: str | None = option(None, help="Text file with what it speaks, one item per line.")
    voices: tuple[str, ...] = option((), help="Its voice presets, taken in turn; default: random voices.")
    label_rate_hz: float | None = option(None, help="Labels per second; default: the tokenizer's rate.", least=1.0)
    labels_per_phone: int = option(
        1, help="Labels k*n..k*n+n-1 are states of phone k, for the report's phone measures.", least=1
    )
    max_clips: int | None = option(None, help="Use at most so many clips, a random sample.", least=2)
    crop_seconds: float = option(4.0, help="Longest piece of a clip that is one training example.", least=0.1)
    augment: bool = option(True, help="Vary speed, formants, equalisation, noise and band width (frame_network).")
    hidden_size: int | None = option(
        None, help="Channels of frame_network (default 128) or of hubert_quantizer's LSTM (default 1024).", least=1
    )
    num_layers: int = option(6, help="Blocks of frame_network.", least=0)
    switching_penalty: float = option(
        0.0,
        help="Nats that a change of token costs frame_network when it is used; 0: each frame for itself.",
        least=0.0,
    )
    encoder: str | None = option(
        None, help="Speech encoder, folder or Hub name. Default: log-mel for kmeans, HuBERT base for hubert_quantizer."
    )
    layer: int = option(9, help="The encoder's hidden state that is used.", least=0)
    projection: str = option("none", help="What is done to k-means' features first.", choices=PROJECTIONS)
    projected_size: int = option(36, help="Features after the projection.", least=1)
    max_frames: int = option(300_000, help="Frames that k-means and its projection are fitted on.", least=1)
    weights_dtype: str = option("float16", help="Number format in frame_network's file.", choices=DTYPES)

    @property
    def n_tokens(self) -> int:
        """`vocab_size`, or its default."""
        from ..tokens import SEMANTIC_VOCAB_SIZE  # imports torch

        return self.vocab_size or (SEMANTIC_VOCAB_SIZE if self.kind == "hubert_quantizer" else 128)

    def check(self) -> None:
        super().check()
        if self.projection != "none" and self.kind != "kmeans":
            raise ValueError(f"projection={self.projection!r} is for kind=kmeans, not {self.kind}; leave it out.")
        if self.encoder is not None and self.kind == "frame_network":
            raise ValueError(f"encoder={self.encoder!r} is not for kind=frame_network, which has none; leave it out.")
        if self.model is not None and self.kind != "hubert_quantizer":
            raise ValueError(f"model={self.model!r} is for kind=hubert_quantizer, not {self.kind}; leave it out.")
        if (self.model is None) != (self.texts is None):
            raise ValueError("model and texts go together: the checkpoint speaks the texts; give both or none.")
        if self.switching_penalty and self.kind != "frame_network":
            raise ValueError(f"switching_penalty is for kind=frame_network, not {self.kind}; leave it out.")


__all__ = ["TokenizerRecipe"]
