"""What of a run outlives one condition: the adapter, its data set, and what is encoded or corrupted already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mafs_bench.adapters.base import Adapter, Embeddings
from mafs_bench.runs.cache import EmbeddingCache
from mafs_bench.runs.encode import EncodedImages, drop_all_but, encode_jobs, encode_texts
from mafs_bench.runs.forward import Forward
from mafs_bench.runs.images import ImageJob
from mafs_bench.runs.texts import CorruptedTexts, TextMaker
from mafs_bench.runs.unseen import Shares, unseen_tokens, unseen_vectors
from mafs_bench.tasks.base import Pair
from mafs_bench.types import Box, Corruption, Dataset, FloatArray, ImageSource

_TEXT_LISTS = 5
"""Lists of texts that are remembered: the clean captions, and what each task reads under one condition."""


@dataclass(frozen=True)
class ClipJudge:
    """A ``tasks.base.Judge``: a separate encoder, which encodes only the clean images and keeps them."""

    encoder: Encoder

    def images(self) -> FloatArray:
        """Unit vectors of all clean images, float32 (n_samples, d)."""
        return self.encoder.images(None, 0).embeddings.vectors

    def texts(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors of texts, float32 (n, d)."""
        return self.encoder.texts(texts).vectors


@dataclass
class Encoder:
    """Everything of a run that outlives one condition: the adapter, its data set, what is encoded already.

    ``severities_left(corruption)`` tells which severities of an image or text corruption are still wanted, so that
    all of them come from one decode and one draw. ``planned`` names, in order, the image corruptions (None: clean)
    with their severities that will be asked for: the next is begun while the one before is waited for.
    """

    adapter: Adapter
    dataset: Dataset
    seed: int
    batch_size: int
    workers: int
    engine: str = "native"
    spool: Path | None = None
    advance: Callable[[int], None] = lambda rows: None
    severities_left: Callable[[Corruption], tuple[int, ...]] = lambda corruption: (1, 2, 3, 4, 5)
    forward: Forward | None = None
    text_cache: EmbeddingCache | None = None
    judge: ClipJudge | None = None
    planned: Sequence[tuple[Corruption | None, tuple[int, ...]]] = ()
    _coming: Iterator[dict[int, EncodedImages]] = field(default_factory=lambda: iter(()))
    _next: int = -1
    _clean: EncodedImages | None = None
    _corrupted: dict[str, dict[int, EncodedImages]] = field(default_factory=dict)
    _texts: dict[tuple[str, ...], Embeddings] = field(default_factory=dict)
    _unseen: dict[bytes, Shares] = field(default_factory=dict)
    _maker: TextMaker = field(init=False)

    def __post_init__(self) -> None:
        if self.forward is None:
            self.forward = Forward(self.adapter, self.batch_size)
        self._maker = TextMaker(self.seed, self.dataset.language)

    def corrupted_texts(
        self, pairs: Sequence[Pair], corruption: Corruption | None, severity: int
    ) -> CorruptedTexts:
        """The texts of pairs under that corruption, or clean."""
        if corruption is None:
            return self._maker.clean(pairs)
        return self._maker.corrupted(pairs, corruption, severity, self._wanted(corruption, severity))

    def unseen(self, pairs: Sequence[Pair], made: CorruptedTexts) -> Shares:
        """Shares of the changed texts that the model reads as it reads the clean ones; see ``unseen_tokens``."""
        if made.digest not in self._unseen:
            clean = [pair.text for pair in pairs]
            shares = unseen_tokens(self.adapter, clean, made.texts)
            if shares is None:
                before, after = self.texts(clean).vectors, self.texts(made.texts).vectors
                shares = unseen_vectors(clean, made.texts, before, after)
            self._unseen = {made.digest: shares}
        return self._unseen[made.digest]

    def images(self, corruption: Corruption | None, severity: int) -> EncodedImages:
        """All images of the split under that corruption, or clean."""
        if corruption is None or severity == 0:
            if self._clean is None:
                self._clean = self._encode(None, (0,))[0]
            return self._clean
        kept = self._corrupted.get(corruption.name, {})
        if severity not in kept:
            wanted = self._wanted(corruption, severity)
            self._corrupted = {}
            self._drop_what_is_stored()
            kept = self._encode(corruption, wanted)
            self._corrupted = {corruption.name: kept}
        return kept[severity]

    def encode_sources(self, sources: Sequence[ImageSource], ids: Sequence[str]) -> EncodedImages:
        """Images that are in no split: blends and the blank one."""
        assert self.forward is not None
        job = self.job(sources, ids, None, (0,))
        return next(encode_jobs(self.forward, [(job, None)], workers=self.workers))[0]

    def texts(self, texts: Sequence[str]) -> Embeddings:
        """Encode texts; the lists that were used last are remembered."""
        key = tuple(texts)
        encoded = self._texts.pop(key, None)
        if encoded is None:
            while len(self._texts) >= _TEXT_LISTS:
                self._texts.pop(next(iter(self._texts)))
            encoded = encode_texts(self.adapter, texts, self.text_cache, batch_size=self.batch_size)
        self._texts[key] = encoded
        return encoded

    def job(
        self,
        sources: Sequence[ImageSource],
        ids: Sequence[str],
        corruption: Corruption | None,
        severities: tuple[int, ...],
        boxes: Sequence[Sequence[Box]] = (),
    ) -> ImageJob:
        """An image job with this run's seed and engine."""
        return ImageJob(sources, ids, corruption, severities, self.seed, self.engine, boxes=boxes)

    def record(self) -> dict[str, int]:
        """What the record of a cell must hold of how it was encoded."""
        halved = self.forward is not None and self.forward.halved
        return {"batch_halved_to": self.forward.batch_size} if self.forward and halved else {}

    def _wanted(self, corruption: Corruption, severity: int) -> tuple[int, ...]:
        """This severity and those still to come, which are made with it."""
        return tuple(sorted({severity, *self.severities_left(corruption)}))

    def _encode(self, corruption: Corruption | None, severities: tuple[int, ...]) -> dict[int, EncodedImages]:
        """Use the next planned job if it is this one; otherwise start again with this one."""
        wanted = (corruption, severities)
        if not (0 <= self._next < len(self.planned) and self.planned[self._next] == wanted):
            self._next = self.planned.index(wanted) if wanted in self.planned else -1
            following = self.planned[self._next :] if self._next >= 0 else [wanted]
            assert self.forward is not None
            self._coming = encode_jobs(
                self.forward,
                [self._spooled_job(*one) for one in following],
                workers=self.workers,
                advance=self.advance,
            )
        self._next += self._next >= 0
        return next(self._coming)

    def _drop_what_is_stored(self) -> None:
        """Free the disk of the corruptions whose cells are all stored: token states are large."""
        if self.spool is not None and self.planned:
            left = [job for job in self.planned if job[0] is None or self.severities_left(job[0])]
            drop_all_but(self.spool, {_spool_name(*job) for job in left})

    def _spooled_job(
        self, corruption: Corruption | None, severities: tuple[int, ...]
    ) -> tuple[ImageJob, Path | None]:
        samples = self.dataset.samples
        job = self.job(
            [s.image for s in samples],
            [s.id for s in samples],
            corruption,
            severities,
            [s.boxes for s in samples],
        )
        return job, self.spool / _spool_name(corruption, severities) if self.spool is not None else None


def _spool_name(corruption: Corruption | None, severities: tuple[int, ...]) -> str:
    return "clean" if corruption is None else f"{corruption.name}-{''.join(map(str, severities))}"
