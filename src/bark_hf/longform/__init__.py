"""Long texts and dialogues: cut, read in pieces with one voice, joined; segments that can be heard and made again.

The way of a text: `marks`, `sizing`, `breaks`, `splitting` (text -> pieces; `script` for dialogues); `takes`,
`scoring`, `trimming`, `reader` (pieces -> takes, the best of each); `store`, `folder`, `settings` (what is kept of
them); `joining`, `sound_file` (one sound); `running`, `reading`, `result`, `streaming`, `segment` (the calls and what
they give).
"""

from .joining import Join, Pauses
from .reading import read_long, read_script, stream, stream_script
from .result import LongResult
from .running import open_long
from .scoring import PlainScorer, Score, Scorer
from .segment import Segment
from .splitting import Piece, PieceSize, Split, split_text, token_counter
from .streaming import SoundStream
from .takes import Take, take_seed

__all__ = [
    "Join",
    "LongResult",
    "Pauses",
    "Piece",
    "PieceSize",
    "PlainScorer",
    "Score",
    "Scorer",
    "Segment",
    "SoundStream",
    "Split",
    "Take",
    "open_long",
    "read_long",
    "read_script",
    "split_text",
    "stream",
    "stream_script",
    "take_seed",
    "token_counter",
]
