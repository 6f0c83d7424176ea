"""Corruptions of the pairing of image and text: a missing modality, or somebody else's.

Every item draws from its own stream, never from the severity, so that the set of changed items grows with
``rate`` and does not depend on the order of the items.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.base import PairItem, PairOperator, PairPlan
from mafs_bench.corruptions.text.spans import quota, splice, words
from mafs_bench.errors import UsageError
from mafs_bench.seeding import KeyedStream
from mafs_bench.types import Image, Params

MISMATCHING = frozenset({"pair_shuffle", "hard_pair_shuffle", "caption_mix", "image_mix"})
"""Operators that give an item something of another one."""

StreamOf = Callable[[str], KeyedStream]
Positions = npt.NDArray[np.int64]

_UNIT = 2.0**32
_ROWS = 256
"""Rows of the similarity matrix at a time: 256 x 25,000 float64 are 51 MB."""


def _draws(items: Sequence[PairItem], stream_of: StreamOf) -> npt.NDArray[np.uint32]:
    """(n, 3) integers: is it changed, in which way, and its place in the seeded order."""
    return np.array([stream_of(item.id).uint32(3) for item in items], dtype=np.uint32).reshape(-1, 3)


def _changed(draws: npt.NDArray[np.uint32], params: Params) -> npt.NDArray[np.bool_]:
    rate = params["rate"]
    if not 0 < rate <= 1:
        raise UsageError(f"rate = {rate!r}; allowed: above 0, at most 1")
    changed: npt.NDArray[np.bool_] = draws[:, 0] < rate * _UNIT
    return changed


def derangement(items: Sequence[PairItem], keys: npt.NDArray[np.uint32]) -> Positions:
    """A permutation (n,) that gives nobody a partner of their own group, determined only by ``keys`` (n,).

    The items are laid out group by group in the keyed order and shifted by the size of the largest group.
    Raises ``UsageError`` where a group holds more than half of the items: then there is none.
    """
    n = len(items)
    if n == 0:
        return np.arange(0)
    group, largest = Counter(item.group for item in items).most_common(1)[0]
    if 2 * largest > n:
        raise UsageError(
            f"no mismatched partner for everybody: {largest} of {n} items are of group {group!r}; "
            "allowed: at most half"
        )
    order = sorted(range(n), key=lambda i: (int(keys[i]), items[i].id))
    first: dict[str, int] = {}
    for place, i in enumerate(order):
        first.setdefault(items[i].group, place)
    layout = np.array(sorted(order, key=lambda i: first[items[i].group]))
    partner = np.empty(n, dtype=np.int64)
    partner[layout] = np.roll(layout, -largest)
    return partner


def _image_dropout(items: Sequence[PairItem], stream_of: StreamOf, params: Params) -> PairPlan:
    lost = _changed(_draws(items, stream_of), params)
    return replace(PairPlan.identity(len(items)), image_present=~lost)


def _text_dropout(items: Sequence[PairItem], stream_of: StreamOf, params: Params) -> PairPlan:
    lost = _changed(_draws(items, stream_of), params)
    return replace(PairPlan.identity(len(items)), text_present=~lost)


def _either_dropout(items: Sequence[PairItem], stream_of: StreamOf, params: Params) -> PairPlan:
    draws = _draws(items, stream_of)
    lost, image = _changed(draws, params), draws[:, 1] < _UNIT / 2
    return replace(
        PairPlan.identity(len(items)), image_present=~(lost & image), text_present=~(lost & ~image)
    )


def _imbalanced_dropout(items: Sequence[PairItem], stream_of: StreamOf, params: Params) -> PairPlan:
    """The image of a share ``image_rate`` of the items is missing, and the text of all others: never both."""
    rate = params["image_rate"]
    if not 0 <= rate <= 1:
        raise UsageError(f"image_rate = {rate!r}; allowed: from 0 to 1")
    image: npt.NDArray[np.bool_] = _draws(items, stream_of)[:, 0] < rate * _UNIT
    return replace(PairPlan.identity(len(items)), image_present=~image, text_present=image)


def _pair_shuffle(items: Sequence[PairItem], stream_of: StreamOf, params: Params) -> PairPlan:
    draws = _draws(items, stream_of)
    plan = PairPlan.identity(len(items))
    partner = derangement(items, draws[:, 2])
    return replace(plan, image_from=np.where(_changed(draws, params), partner, plan.image_from))


def _hard_pair_shuffle(items: Sequence[PairItem], stream_of: StreamOf, params: Params) -> PairPlan:
    draws = _draws(items, stream_of)
    plan = PairPlan.identity(len(items))
    changed = np.flatnonzero(_changed(draws, params))
    image_from = plan.image_from.copy()
    image_from[changed] = most_similar_wrong(items, changed, derangement(items, draws[:, 2]))
    return replace(plan, image_from=image_from)


def _option_shuffle(items: Sequence[PairItem], stream_of: StreamOf, params: Params) -> PairPlan:
    draws = _draws(items, stream_of)
    orders = np.where(_changed(draws, params), draws[:, 1].astype(np.int64), -1)
    return replace(PairPlan.identity(len(items)), option_draws=orders)


def _caption_mix(items: Sequence[PairItem], stream_of: StreamOf, params: Params) -> PairPlan:
    partner = derangement(items, _draws(items, stream_of)[:, 2])
    return replace(PairPlan.identity(len(items)), blend_from=partner, text_blend=float(params["share"]))


def _image_mix(items: Sequence[PairItem], stream_of: StreamOf, params: Params) -> PairPlan:
    partner = derangement(items, _draws(items, stream_of)[:, 2])
    return replace(PairPlan.identity(len(items)), blend_from=partner, image_blend=float(params["share"]))


image_dropout = PairOperator(_image_dropout, touches="image")
text_dropout = PairOperator(_text_dropout, touches="text")
either_dropout = PairOperator(_either_dropout)
imbalanced_dropout = PairOperator(_imbalanced_dropout)
pair_shuffle = PairOperator(_pair_shuffle)
hard_pair_shuffle = PairOperator(_hard_pair_shuffle)
option_shuffle = PairOperator(_option_shuffle, touches="options")
caption_mix = PairOperator(_caption_mix, touches="text")
image_mix = PairOperator(_image_mix, touches="image")


def most_similar_wrong(items: Sequence[PairItem], rows: Positions, otherwise: Positions) -> Positions:
    """For each of ``rows`` (r,) the item of another group whose text has the largest tf-idf cosine.

    ``otherwise`` (n,) holds where no text of another group shares a word; of equals the first by id counts.
    Several items may share a partner: the most similar one is what is asked for, not a permutation.
    """
    vectors = _tfidf([item.text for item in items])
    groups = np.unique([item.group for item in items], return_inverse=True)[1]
    by_id = np.argsort([item.id for item in items], kind="stable")
    partner, transposed, columns = otherwise[rows], vectors[by_id].T.tocsr(), groups[by_id]
    for begin in range(0, len(rows), _ROWS):
        part = rows[begin : begin + _ROWS]
        similarity = (vectors[part] @ transposed).toarray()
        similarity[groups[part, None] == columns[None, :]] = 0.0
        best = similarity.argmax(axis=1)
        found = np.flatnonzero(similarity[np.arange(len(best)), best] > 0)
        partner[begin + found] = by_id[best[found]]
    return partner


def _tfidf(texts: Sequence[str]) -> Any:
    """Rows of unit length, sparse (n, vocabulary); a word counts the less, the more texts hold it."""
    from scipy import sparse

    bags = [Counter(re.findall(r"\w+", text.lower())) for text in texts]
    frequency = Counter(word for bag in bags for word in bag)
    vocabulary = {word: k for k, word in enumerate(sorted(frequency))}
    column = np.array([vocabulary[word] for bag in bags for word in bag], dtype=np.int64)
    count = np.array([n for bag in bags for n in bag.values()], dtype=np.float64)
    rarity = np.log(
        len(texts) / np.array([frequency[word] for bag in bags for word in bag], dtype=np.float64)
    )
    begins = np.concatenate([[0], np.cumsum([len(bag) for bag in bags])]).astype(np.int64)
    matrix = sparse.csr_matrix((count * rarity, column, begins), shape=(len(texts), max(1, len(vocabulary))))
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    return sparse.csr_matrix(sparse.diags(scale) @ matrix)


def mix_captions(text: str, other: str, share: float, rng: np.random.Generator) -> str:
    """Replace ``share`` of the words of ``text`` by words of ``other``, nested over the shares."""
    own, foreign = words(text), [other[start:end] for start, end in words(other)]
    order, drawn = rng.permutation(len(own)), rng.random(len(own))
    if not own or not foreign:
        return text
    edits = [(*own[i], foreign[int(u * len(foreign))]) for i, u in zip(order, drawn, strict=True)]
    return splice(text, edits[: quota(share, len(own))])


def blend_images(image: Image, other: Image, alpha: float) -> Image:
    """``(1 - alpha) * image + alpha * other``, rounded, ``other`` resized to ``image`` by area."""
    import cv2

    height, width = image.shape[:2]
    fitted = cv2.resize(other, (width, height), interpolation=cv2.INTER_AREA)
    blend: Image = np.rint((1 - alpha) * image + alpha * fitted.astype(np.float64)).astype(np.uint8)
    return blend
