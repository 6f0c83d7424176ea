"""A data set under one condition: corrupts, encodes and remembers what the next condition can use again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mafs_bench.adapters.protocols import Embeddings
from mafs_bench.operators.base import PairItem, PairPlan
from mafs_bench.operators.engine import needs_boxes, plan_pairs
from mafs_bench.operators.pairs import mix_captions
from mafs_bench.runner.cache import EmbeddingCache
from mafs_bench.runner.encode import EncodedImages, digest_of, drop_all_but, encode_jobs, encode_texts
from mafs_bench.runner.forward import Forward
from mafs_bench.runner.images import BlankImage, BlendedImage, ImageItem, ImageJob, stream_images
from mafs_bench.runner.rows import append, select
from mafs_bench.runner.texts import CorruptedTexts, TextMaker
from mafs_bench.seeding import stream
from mafs_bench.tasks.base import Pair, PairBatch, PairEmbeddings, caption_pairs
from mafs_bench.types import Box, Condition, Corruption, Dataset, FloatArray, ImageSource

_TEXT_LISTS = 5
"""Lists of texts that are remembered: the clean captions, and what each task reads under one condition."""


@dataclass(frozen=True)
class ConditionParts:
    """What a condition does to each modality: at most one image, one text and one pair corruption.

    Each comes with its severity; a joint condition has two.
    """

    image: Corruption | None = None
    text: Corruption | None = None
    pair: Corruption | None = None
    image_severity: int = 0
    text_severity: int = 0
    pair_severity: int = 0

    @classmethod
    def of(cls, corruptions: Sequence[tuple[Corruption, int]]) -> ConditionParts:
        """Sort corruptions with their severities by what they act on."""
        parts: dict[str, Any] = {}
        for corruption, severity in corruptions:
            parts |= {corruption.modality: corruption, f"{corruption.modality}_severity": severity}
        return cls(**parts)


@dataclass(frozen=True)
class ClipJudge:
    """A ``tasks.base.Judge``: an encoder of its own, which sees the clean images alone and keeps them."""

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

    ``severities_left(corruption)`` tells which severities of an image corruption are still wanted, so that
    all of them come from one decode and one draw. ``planned`` names, in order, the corruptions (None: clean)
    with their severities that will be asked for: the next is begun while the one before is waited for.
    """

    adapter: Any
    dataset: Dataset
    seed: int
    batch_size: int
    workers: int
    engine: str = "native"
    on_error: str = "fail"
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
    _maker: TextMaker = field(init=False)

    def __post_init__(self) -> None:
        if self.forward is None:
            self.forward = Forward(self.adapter, self.batch_size)
        self._maker = TextMaker(self.seed, lambda corruption: self.severities_left(corruption))

    def corrupted_texts(
        self, pairs: Sequence[Pair], corruption: Corruption | None, severity: int
    ) -> CorruptedTexts:
        """The texts of pairs under that corruption, or clean."""
        return self._maker.texts(pairs, corruption, severity)

    def images(self, corruption: Corruption | None, severity: int) -> EncodedImages:
        """All images of the split under that corruption, or clean."""
        if corruption is None or severity == 0:
            if self._clean is None:
                self._clean = self._encode(None, (0,))[0]
            return self._clean
        kept = self._corrupted.get(corruption.name, {})
        if severity not in kept:
            wanted = tuple(sorted({severity, *self.severities_left(corruption)}))
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
            encoded = encode_texts(self.adapter, texts, self.text_cache)
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
        """An image job with this run's seed, engine and error handling."""
        return ImageJob(
            sources, ids, corruption, severities, self.seed, self.engine, self.on_error, boxes=boxes
        )

    def record(self) -> dict[str, int]:
        """What the record of a cell must hold of how it was encoded."""
        halved = self.forward is not None and self.forward.halved
        return {"batch_halved_to": self.forward.batch_size} if self.forward and halved else {}

    def _encode(self, corruption: Corruption | None, severities: tuple[int, ...]) -> dict[int, EncodedImages]:
        """Take the next planned job where it is this one; else begin anew, with this one."""
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


@dataclass
class ConditionView:
    """One cell's view of a data set (``tasks.base.View``)."""

    encoder: Encoder
    condition: Condition
    parts: ConditionParts
    _digests: dict[str, bytes] = field(default_factory=dict)
    _audit: dict[str, float | int | str | None] = field(default_factory=dict)

    @property
    def dataset(self) -> Dataset:
        """The split that is scored."""
        return self.encoder.dataset

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.condition.seed

    @property
    def judge(self) -> ClipJudge | None:
        """Who judges captions for CLIPScore, where one was named."""
        return self.encoder.judge

    # What tasks on separately encoded images and captions use.

    def images(self) -> Embeddings:
        """All images, corrupted; a missing one is blank with ``present`` False."""
        items = [PairItem(s.id, s.group, "") for s in self.dataset.samples]
        present = self._plan(items, "image plan").image_present
        return self._with_blanks(self._encoded_images().embeddings, present)

    def captions(self) -> Embeddings:
        """All captions, corrupted; a missing one is empty with ``present`` False."""
        pairs = caption_pairs(self.dataset)
        texts = self._texts(pairs).texts
        present = self._plan(self._items(pairs), "caption plan").text_present
        return self._encode_present(texts, present)

    def clean_captions(self) -> Embeddings:
        """All captions as they are."""
        return self.encoder.texts([pair.text for pair in caption_pairs(self.dataset)])

    def unscored_images(self) -> npt.NDArray[np.bool_]:
        """bool (n_samples,): images that could not be read."""
        return self._encoded_images().unreadable

    def inapplicable_images(self) -> npt.NDArray[np.bool_]:
        """bool (n_samples,): images that the corruption cannot change."""
        if self.parts.image is None or not needs_boxes(self.parts.image):
            return np.zeros(len(self.dataset.samples), dtype=bool)
        return np.array([not sample.boxes for sample in self.dataset.samples], dtype=bool)

    def inapplicable_captions(self) -> npt.NDArray[np.bool_]:
        """bool (n_captions,): captions that the corruption cannot change."""
        return ~self._texts(caption_pairs(self.dataset)).applicable

    # What tasks on pairs use.

    def pair_embeddings(self, pairs: Sequence[Pair]) -> PairEmbeddings:
        """Encode pairs as inputs that belong together."""
        made = self._texts(pairs)
        plan = self._plan(self._items(pairs), "pair plan")
        encoded = self._encoded_images()
        own = np.array([pair.sample for pair in pairs], dtype=np.int64)
        if plan.image_blend:
            sources = self._sources(pairs, plan)
            images = self.encoder.encode_sources(sources, [pair.id for pair in pairs]).embeddings
        else:
            images = select(encoded.embeddings, own[plan.image_from])
        usable = ~(encoded.unreadable | self.inapplicable_images())[own[plan.image_from]]
        held = self._held(pairs, made.texts, plan)
        return PairEmbeddings(
            self._with_blanks(images, plan.image_present),
            self._encode_present(held, plan.text_present),
            made.applicable & usable,
            plan.image_from,
            plan.text_from,
            held,
        )

    def pair_batches(self, pairs: Sequence[Pair]) -> Iterator[PairBatch]:
        """Give the corrupted raw inputs of pairs, in order."""
        made = self._texts(pairs)
        plan = self._plan(self._items(pairs), "pair plan")
        held = self._held(pairs, made.texts, plan)
        present = np.stack([plan.image_present, plan.text_present], axis=1)
        own = np.array([pair.sample for pair in pairs], dtype=np.int64)[plan.image_from]
        shown, inapplicable = [self.dataset.samples[i] for i in own], self.inapplicable_images()[own]
        job = self.encoder.job(
            self._sources(pairs, plan),
            [sample.id for sample in shown],
            self.parts.image,
            (self.parts.image_severity,),
            [sample.boxes for sample in shown],
        )
        seen: dict[int, ImageItem] = {}
        encoder = self.encoder
        for items in stream_images(job, range(len(pairs)), batch=encoder.batch_size, workers=encoder.workers):
            rows = np.array([item.position for item in items])
            readable = np.array([item.error is None for item in items])
            yield PairBatch(
                rows,
                [item.arrays[0] for item in items],
                [held[row] for row in rows],
                present[rows],
                made.applicable[rows] & readable & ~inapplicable[rows],
            )
            seen |= {i.position: ImageItem(i.position, [], i.digests, i.changes, i.error) for i in items}
            encoder.advance(len(items))
        shown_of = self._one_pair_a_sample(pairs, plan) or range(len(pairs))
        self._record_images(
            [seen[i].digests[0] for i in shown_of],
            [seen[i].changes[0] for i in shown_of],
            ~inapplicable[list(shown_of)],
        )

    # What the record of a cell holds beside its scores.

    def content_hash(self) -> str:
        """SHA-256 over everything that this view gave out: two equal hashes are the same inputs."""
        return digest_of(
            [part for name in sorted(self._digests) for part in (name.encode(), self._digests[name])]
        )

    def audit(self) -> Mapping[str, float | int | str | None]:
        """How much the corruption really changed."""
        return dict(sorted((self._audit | self.encoder.record()).items()))

    def _encoded_images(self) -> EncodedImages:
        encoded = self.encoder.images(self.parts.image, self.parts.image_severity)
        digests = [row.tobytes() for row in encoded.digests]
        self._record_images(digests, encoded.changes.tolist(), ~self.inapplicable_images())
        return encoded

    def _record_images(
        self, digests: Sequence[bytes], changes: Sequence[float], applicable: npt.NDArray[np.bool_]
    ) -> None:
        self._digests["images"] = digest_of(digests).encode()
        if self.parts.image is None or not changes:
            return
        self._audit["images_changed"] = float(np.mean(np.array(changes) > 0))
        self._audit["images_not_applicable"] = int(np.count_nonzero(~applicable))
        if applicable.any():
            self._audit["pixel_change"] = float(np.mean(np.array(changes)[applicable]))

    def _texts(self, pairs: Sequence[Pair]) -> CorruptedTexts:
        """The texts of pairs under this condition."""
        made = self.encoder.corrupted_texts(pairs, self.parts.text, self.parts.text_severity)
        self._digests["texts"] = made.digest
        self._audit.update(made.audit)
        return made

    def _plan(self, items: Sequence[PairItem], what: str) -> PairPlan:
        corruption = self.parts.pair
        if corruption is None:
            return PairPlan.identity(len(items))
        plan = plan_pairs(items, corruption, self.parts.pair_severity, seed=self.seed)
        arrays = (plan.image_present, plan.text_present, plan.image_from, plan.text_from, plan.blend_from)
        self._digests[what] = digest_of([array.tobytes() for array in arrays]).encode()
        own = np.arange(len(items))
        self._audit["images_missing"] = float(np.mean(~plan.image_present))
        self._audit["texts_missing"] = float(np.mean(~plan.text_present))
        self._audit["pairs_mismatched"] = float(np.mean((plan.image_from != own) | (plan.text_from != own)))
        return plan

    def _items(self, pairs: Sequence[Pair]) -> list[PairItem]:
        return [PairItem(pair.id, self.dataset.samples[pair.sample].group, pair.text) for pair in pairs]

    def _sources(self, pairs: Sequence[Pair], plan: PairPlan) -> list[ImageSource]:
        """Whose image each pair gets: its own, a partner's, a blend, or none."""
        own = [self.dataset.samples[pair.sample].image for pair in pairs]
        sources: list[ImageSource] = [own[i] for i in plan.image_from]
        if plan.image_blend:
            sources = [
                BlendedImage(source, own[j], plan.image_blend)
                for source, j in zip(sources, plan.blend_from, strict=True)
            ]
        return [s if there else BlankImage() for s, there in zip(sources, plan.image_present, strict=True)]

    def _one_pair_a_sample(self, pairs: Sequence[Pair], plan: PairPlan) -> list[int]:
        """For every sample, in order, one pair that shows its image unblended; nothing where one is not shown.

        So that, where all are shown, the record of a cell is the same for adapters that take pairs and for those
        that encode images.
        """
        if plan.image_blend:
            return []
        showing = {pairs[i].sample: k for k, i in enumerate(plan.image_from) if plan.image_present[k]}
        samples = range(len(self.dataset.samples))
        return [showing[sample] for sample in samples] if len(showing) == len(samples) else []

    def _shuffled(self, pairs: Sequence[Pair], texts: Sequence[str], plan: PairPlan) -> list[str]:
        """Whose text each pair holds, mixed with another where the plan says so."""
        held = [texts[i] for i in plan.text_from]
        corruption = self.parts.pair
        if corruption is None or not plan.text_blend:
            return held
        return [
            mix_captions(
                text,
                texts[j],
                plan.text_blend,
                stream(self.seed, corruption.suite, corruption.name, pair.id),
            )
            for text, j, pair in zip(held, plan.blend_from, pairs, strict=True)
        ]

    def _held(self, pairs: Sequence[Pair], texts: Sequence[str], plan: PairPlan) -> list[str]:
        """What each pair reads: ``_shuffled``, and nothing where the text is missing."""
        shuffled = self._shuffled(pairs, texts, plan)
        return [text if there else "" for text, there in zip(shuffled, plan.text_present, strict=True)]

    def _encode_present(self, texts: Sequence[str], present: npt.NDArray[np.bool_]) -> Embeddings:
        held = [text if there else "" for text, there in zip(texts, present, strict=True)]
        encoded = self.encoder.texts(held)
        return Embeddings(encoded.vectors, encoded.present & present, encoded.signals, encoded.states)

    def _with_blanks(self, images: Embeddings, present: npt.NDArray[np.bool_]) -> Embeddings:
        """Put the blank image's row where the image is missing."""
        if present.all():
            return images
        blank = self.encoder.encode_sources([BlankImage()], ["blank"]).embeddings
        index = np.where(present, np.arange(len(images)), len(images))

        both = Embeddings(
            np.concatenate([images.vectors, blank.vectors]),
            np.append(images.present, False),
            {name: append(rows, blank.signals[name]) for name, rows in images.signals.items()},
            {name: append(rows, blank.states[name]) for name, rows in images.states.items()},
        )
        swapped = select(both, index)
        return replace(swapped, present=images.present & present)
