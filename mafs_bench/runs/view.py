"""A data set under one condition, as tasks see it: corrupted, encoded, and on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mafs_bench.adapters.base import Embeddings
from mafs_bench.corruptions.base import PairItem, PairPlan
from mafs_bench.corruptions.engine import needs_boxes, plan_pairs
from mafs_bench.corruptions.pairs import mix_captions
from mafs_bench.runs.encode import EncodedImages, digest_of
from mafs_bench.runs.encoder import ClipJudge, Encoder
from mafs_bench.runs.images import BlankImage, BlendedImage, ImageItem, stream_images
from mafs_bench.runs.rows import append, select
from mafs_bench.runs.texts import CorruptedTexts
from mafs_bench.seeding import stream
from mafs_bench.tasks.base import ImageBatch, Pair, PairBatch, PairEmbeddings, caption_pairs
from mafs_bench.types import Condition, Corruption, Dataset, ImageSource

T = TypeVar("T")
CLEAN_IMAGES = "images_sha256"
"""The name under which a clean cell's record holds the SHA-256 over the decoded images of all samples, in order."""


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

    def inapplicable_images(self) -> npt.NDArray[np.bool_]:
        """bool (n_samples,): images that the corruption cannot change."""
        if self.parts.image is None or not needs_boxes(self.parts.image):
            return np.zeros(len(self.dataset.samples), dtype=bool)
        return np.array([not sample.boxes for sample in self.dataset.samples], dtype=bool)

    def inapplicable_captions(self) -> npt.NDArray[np.bool_]:
        """bool (n_captions,): captions that the corruption cannot change."""
        return ~self._texts(caption_pairs(self.dataset)).applicable

    def unchanged_captions(self) -> npt.NDArray[np.bool_]:
        """bool (n_captions,): captions that a text corruption left as they were; none where there is no such."""
        pairs = caption_pairs(self.dataset)
        if self.parts.text is None:
            return np.zeros(len(pairs), dtype=bool)
        texts = self._texts(pairs).texts
        return np.array([pair.text == text for pair, text in zip(pairs, texts, strict=True)], dtype=bool)

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
        usable = ~self.inapplicable_images()[own[plan.image_from]]
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
        made = self._texts(pairs, embedded=False)
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
            yield PairBatch(
                rows,
                [item.arrays[0] for item in items],
                [held[row] for row in rows],
                present[rows],
                made.applicable[rows] & ~inapplicable[rows],
                plan.option_draws[rows],
            )
            seen |= {i.position: ImageItem(i.position, [], i.digests, i.changes) for i in items}
            encoder.advance(len(items))
        shown_of = self._one_pair_a_sample(pairs, plan) or range(len(pairs))
        self._record_images(
            [seen[i].digests[0] for i in shown_of],
            [seen[i].changes[0] for i in shown_of],
            ~inapplicable[list(shown_of)],
        )

    def image_batches(self) -> Iterator[ImageBatch]:
        """Give the images of ``images()`` themselves, in order."""
        samples = self.dataset.samples
        present = self._plan([PairItem(s.id, s.group, "") for s in samples], "image plan").image_present
        job = self.encoder.job(
            [s.image if there else BlankImage() for s, there in zip(samples, present, strict=True)],
            [s.id for s in samples],
            self.parts.image,
            (self.parts.image_severity,),
            [s.boxes for s in samples],
        )
        encoder = self.encoder
        for items in stream_images(
            job, range(len(samples)), batch=encoder.batch_size, workers=encoder.workers
        ):
            rows = np.array([item.position for item in items])
            yield ImageBatch(rows, [item.arrays[0] for item in items], present[rows])

    def caption_texts(self) -> list[str]:
        """The texts of ``captions()``, "" where missing."""
        pairs = caption_pairs(self.dataset)
        present = self._plan(self._items(pairs), "caption plan").text_present
        texts = self._texts(pairs).texts
        return [text if there else "" for text, there in zip(texts, present, strict=True)]

    def in_parts(self, n: int, run: Callable[[slice], Sequence[T]]) -> list[T]:
        """What ``run`` gives for n rows, a batch at a time; out of memory halves the batch once, for good."""
        assert self.encoder.forward is not None
        return self.encoder.forward.in_parts(n, run)

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
        digest = digest_of(digests)
        self._digests["images"] = digest.encode()
        if self.condition.corruption is None and len(digests) == len(self.dataset.samples):
            self._audit[CLEAN_IMAGES] = digest
        if self.parts.image is None or not changes:
            return
        self._audit["images_changed"] = float(np.mean(np.array(changes) > 0))
        self._audit["images_not_applicable"] = int(np.count_nonzero(~applicable))
        if applicable.any():
            self._audit["pixel_change"] = float(np.mean(np.array(changes)[applicable]))

    def _texts(self, pairs: Sequence[Pair], *, embedded: bool = True) -> CorruptedTexts:
        """The texts of pairs under this condition, on record with what an encoder of texts cannot see of them."""
        made = self.encoder.corrupted_texts(pairs, self.parts.text, self.parts.text_severity)
        self._digests["texts"] = made.digest
        self._audit.update(made.audit)
        if self.parts.text is not None and embedded:
            self._audit.update(self.encoder.unseen(pairs, made))
        return made

    def _plan(self, items: Sequence[PairItem], what: str) -> PairPlan:
        corruption = self.parts.pair
        if corruption is None:
            return PairPlan.identity(len(items))
        plan = plan_pairs(items, corruption, self.parts.pair_severity, seed=self.seed)
        arrays = [plan.image_present, plan.text_present, plan.image_from, plan.text_from, plan.blend_from]
        if (plan.option_draws >= 0).any():
            arrays.append(plan.option_draws)
            self._audit["options_shuffled"] = float(np.mean(plan.option_draws >= 0))
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
