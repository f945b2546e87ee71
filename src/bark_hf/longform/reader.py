"""The work of reading: which piece continues which, batches of pieces that are ready, the best take of each.

Knows pieces, voices' modes, takes and stores; knows no text that is not cut yet, and not how sounds are joined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..generation_options import near_match
from ..voices import VoicePrompt
from .marks import TAG
from .scoring import Score, Scorer, best
from .splitting import Piece
from .store import Record, Store
from .takes import Job, NoMaker, Take, TakeMaker, take_seed
from .trimming import Span, speech_span

VOICE_MODES = ("fixed", "rolling", "hybrid")
RETRIES = 3  # further takes of a piece for which the model ended at once

Report = Callable[[str, int, int], None]  # called as report("pieces", done, total)


def check_mode(mode: str, anchor_every: int) -> None:
    """Refuse an unknown voice mode.

    Raises:
        ValueError: with the nearest mode.
    """
    if mode not in VOICE_MODES:
        hint = near_match(str(mode), VOICE_MODES)
        raise ValueError(f"voice_mode={mode!r} is unknown.{hint} It is one of {', '.join(VOICE_MODES)}.")
    if isinstance(anchor_every, bool) or not isinstance(anchor_every, int) or anchor_every < 2:
        raise ValueError(f"anchor_every={anchor_every!r} must be an integer of at least 2; 1 is voice_mode='fixed'.")


def sources(speakers: Sequence[str], mode: str, anchor_every: int) -> list[int | None]:
    """The piece that each piece continues, None where it continues its speaker's own voice.

    Args:
        speakers: of each piece; every speaker has a chain of pieces.
        mode: "fixed": always the voice. "rolling": the piece before. "hybrid": the piece before, but the voice for
            every `anchor_every`-th piece.
    """
    chains: dict[str, list[int]] = {}
    found: list[int | None] = []
    for index, speaker in enumerate(speakers):
        chain = chains.setdefault(speaker, [])
        anchored = mode == "fixed" or not chain or (mode == "hybrid" and len(chain) % anchor_every == 0)
        found.append(None if anchored else chain[-1])
        chain.append(index)
    return found


@dataclass
class Reader:
    """Makes the pieces of one text.

    Attributes:
        pieces: what is said.
        sources: see `sources`.
        voices: speaker -> voice; None until the first piece, whose sound becomes the voice of the others.
        seed, candidates: see `take_seed`; takes per piece, of which `scorer` chooses.
        trim: leave silence and noises at the ends of takes out.
        maker: makes takes.
        store: keeps what is finished.
    """

    pieces: Sequence[Piece]
    sources: Sequence[int | None]
    voices: dict[str, VoicePrompt | None]
    seed: int
    candidates: int
    scorer: Scorer
    trim: bool
    maker: TakeMaker | NoMaker
    store: Store

    def finish(self, done: Mapping[int, Record], report: Report | None = None) -> list[Record]:
        """Make what is not done yet.

        Args:
            done: finished pieces of an earlier run.
            report: called after each batch.

        Returns:
            every piece's record, in order.
        """
        return list(self.in_order(done, report))

    def in_order(
        self, done: Mapping[int, Record], report: Report | None = None, growing: bool = False
    ) -> Iterator[Record]:
        """Every piece's record, in order, each as soon as it and all before it are made.

        Args:
            done, report: see `finish`.
            growing: make one piece first, then twice as many at once each time, up to the batch size; records are the
                same, the first one comes earlier.
        """
        records, total = dict(done), len(self.pieces)
        most = max(1, self.maker.batch_size // self.candidates)
        size = 1 if growing else most
        for index in sorted(records):
            self._anchor(records[index])
        if report is not None:
            report("pieces", len(records), total)
        for index in range(total):
            while index not in records:
                waiting = [other for other in range(index, total) if other not in records]
                for record in self._make(self._seeds(self._ready(waiting, records)[:size]), records, version=0):
                    records[record.index] = record
                    self._anchor(record)
                size = min(most, 2 * size)
                if report is not None:
                    report("pieces", len(records), total)
            yield records[index]

    def _seeds(self, indices: Sequence[int]) -> dict[int, list[int]]:
        """Of the first takes of these pieces."""
        return {index: [take_seed(self.seed, index, n) for n in range(self.candidates)] for index in indices}

    def _ready(self, waiting: Sequence[int], records: Mapping[int, Record]) -> list[int]:
        """Pieces whose voice is known; of a speaker without one only the first piece is."""
        ready, started = [], set()
        for index in waiting:
            speaker, source = self.pieces[index].speaker, self.sources[index]
            known = self.voices[speaker] is not None or speaker not in started
            if source in records if source is not None else known:
                ready.append(index)
            started.add(speaker)
        return ready

    def retake(self, index: int, seed: int | None, records: Sequence[Record]) -> Record:
        """A piece once more: with this seed, or with seeds that were not used for it yet."""
        version = records[index].version + 1
        first = version * (self.candidates + RETRIES)
        seeds = [take_seed(self.seed, index, first + n) for n in range(self.candidates)] if seed is None else [seed]
        return self._make({index: seeds}, dict(enumerate(records)), version)[0]

    def _make(self, seeds: Mapping[int, list[int]], records: Mapping[int, Record], version: int) -> list[Record]:
        histories = {index: self._history(index, records) for index in seeds}
        jobs = [(index, seed) for index in seeds for seed in seeds[index]]
        takes = self.maker.make([Job(self.pieces[i].text, histories[i], seed) for i, seed in jobs])
        made = []
        for index in seeds:
            own = [take for (i, _), take in zip(jobs, takes, strict=True) if i == index]
            take, score = self._chosen(index, own, histories[index], version)
            source = self.sources[index]
            record = self._record(index, version, take, score, None if source is None else records[source])
            self.store.put(record, take)
            made.append(record)
        return made

    def _history(self, index: int, records: Mapping[int, Record]) -> VoicePrompt | None:
        """What a piece continues: its source, or what that continued if it is too short to be a voice."""
        source = self.sources[index]
        while source is not None:
            codes = self.store.codes(records[source])
            try:
                return VoicePrompt(*codes, rules=self.maker.rules)
            except ValueError:
                source = self.sources[source]
        return self.voices[self.pieces[index].speaker]

    def _chosen(self, index: int, takes: list[Take], history: VoicePrompt | None, version: int) -> tuple[Take, Score]:
        piece = self.pieces[index]
        needs_voice = self.voices[piece.speaker] is None
        first = version * (self.candidates + RETRIES) + self.candidates
        for retry in range(RETRIES + 1):
            usable = [take for take in takes if take.audio.size and (take.voice() is not None or not needs_voice)]
            if usable:
                place, score = best(usable, self.scorer, piece.language)
                return usable[place], score
            if retry < RETRIES:
                takes += self.maker.make([Job(piece.text, history, take_seed(self.seed, index, first + retry))])
        if needs_voice:
            raise ValueError(
                f"{len(takes)} takes of piece {index} ({piece.text[:40]!r}) were too short to be a voice; the other "
                "pieces need one; give a voice, or another seed"
            )
        return takes[0], Score(-10.0, ("no sound",))

    def _record(self, index: int, version: int, take: Take, score: Score, source: Record | None) -> Record:
        text = self.pieces[index].text
        sounding = text.rstrip(" .,!?").endswith("♪") or any(tag.end() >= len(text) - 1 for tag in TAG.finditer(text))
        size = take.audio.shape[0]
        span = speech_span(take.audio, take.sampling_rate, sounding) if self.trim else Span(0, size)
        return Record(
            index,
            version,
            take.seed,
            round(score.value, 4),
            tuple(score.faults),
            take.hit_limit,
            size,
            take.sampling_rate,
            *span,
            take.semantic.shape[0],
            None if source is None else source.index,
            None if source is None else source.version,
        )

    def _anchor(self, record: Record) -> None:
        """The first piece of a speaker without a voice is the voice of the others."""
        speaker = self.pieces[record.index].speaker
        if self.voices[speaker] is None:
            voice = VoicePrompt(*self.store.codes(record), rules=self.maker.rules)
            self.store.put_voice(speaker, voice)
            self.voices[speaker] = voice


__all__ = ["VOICE_MODES", "Reader", "Report", "check_mode", "sources"]
