"""BLEU, ROUGE-L and CIDEr-D of one caption against its references, on tokens.

They equal COCO's caption evaluation (``pycocoevalcap`` 1.2) and are written from the definitions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Tokens = tuple[str, ...]
Grams = Counter[Tokens]

ORDERS = (1, 2, 3, 4)
_SIGMA = 6.0
_BETA = 1.2


@dataclass(frozen=True, slots=True)
class BleuStatistics:
    """What BLEU sums over captions: clipped matches and candidates per order, and the two lengths.

    ``reference_length`` is the length of the reference closest in length; of two equally close, the shorter one.
    """

    matches: tuple[int, ...]
    guesses: tuple[int, ...]
    length: int
    reference_length: int


def count_grams(tokens: Tokens) -> Grams:
    """Count the n-grams of order 1 to 4."""
    return Counter(tokens[i : i + n] for n in ORDERS for i in range(len(tokens) - n + 1))


def most_grams(references: Sequence[Tokens]) -> Grams:
    """The highest count of each n-gram over the references."""
    most: Grams = Counter()
    for reference in references:
        most |= count_grams(reference)
    return most


def bleu_statistics(
    hypothesis: Tokens, references: Sequence[Tokens], most: Grams | None = None
) -> BleuStatistics:
    """Sufficient statistics of BLEU (Papineni et al., ACL 2002); ``most`` is ``most_grams``, if already computed."""
    clipped = count_grams(hypothesis) & (most_grams(references) if most is None else most)
    matches = tuple(sum(k for gram, k in clipped.items() if len(gram) == n) for n in ORDERS)
    length = len(hypothesis)
    nearest = min((abs(len(reference) - length), len(reference)) for reference in references)[1]
    return BleuStatistics(matches, tuple(max(0, length - n + 1) for n in ORDERS), length, nearest)


def rouge_l(hypothesis: Tokens, references: Sequence[Tokens]) -> float:
    """ROUGE-L with beta 1.2 (Lin, ACL workshop 2004): best precision and best recall over the references.

    The two may come from different references, as in COCO's evaluation. An empty sentence counts as one empty
    token.
    """
    ours = hypothesis or ("",)
    theirs = [reference or ("",) for reference in references]
    common = [longest_common_subsequence(ours, reference) for reference in theirs]
    precision = max(k / len(ours) for k in common)
    recall = max(k / len(reference) for k, reference in zip(common, theirs, strict=True))
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def longest_common_subsequence(a: Tokens, b: Tokens) -> int:
    """Length of the longest common subsequence; the bits of one integer are a row of the dynamic programme.

    Hyyrö, AWOCA 2004: bit j is 0 where the length grows at b[j].
    """
    places: dict[str, int] = {}
    for j, token in enumerate(b):
        places[token] = places.get(token, 0) | 1 << j
    every = (1 << len(b)) - 1
    row = every
    for token in a:
        met = row & places.get(token, 0)
        row = ((row + met) | (row - met)) & every
    return len(b) - row.bit_count()


class CiderD:
    """CIDEr-D (Vedantam et al., CVPR 2015) with the document frequencies of a split's references.

    A document is the set of references for one image. Scores are in [0, 10].
    """

    def __init__(self, references: Sequence[Sequence[Tokens]]) -> None:
        counted = [[count_grams(tokens) for tokens in texts] for texts in references]
        frequency = Counter(gram for texts in counted for gram in set().union(*texts))
        n = np.log(max(1, len(references)))
        self._weights = {gram: float(n - np.log(k)) for gram, k in frequency.items()}
        self._unseen = float(n)
        self._references = [[self._vector(grams) for grams in texts] for texts in counted]

    def score(self, image: int, hypothesis: Tokens) -> float:
        """Score a caption of the image at that position."""
        ours = self._vector(count_grams(hypothesis))
        theirs = self._references[image]
        return 10.0 * float(np.mean(_similarities(ours, theirs)))

    def _vector(self, grams: Grams) -> _Vector:
        weights = {gram: k * self._weights.get(gram, self._unseen) for gram, k in grams.items()}
        squares = np.zeros(len(ORDERS))
        for gram, weight in weights.items():
            squares[len(gram) - 1] += weight**2
        n_bigrams = sum(k for gram, k in grams.items() if len(gram) == 2)
        return _Vector(weights, np.sqrt(squares), n_bigrams)


@dataclass(frozen=True, slots=True)
class _Vector:
    """tf-idf weights of a caption, their norm per order (4,), and its length in bigrams."""

    weights: dict[Tokens, float]
    norms: npt.NDArray[np.float64]
    length: int


def _similarities(ours: _Vector, references: Sequence[_Vector]) -> npt.NDArray[np.float64]:
    """Per reference: the clipped cosine averaged over the orders, damped by the difference in length."""
    dots = np.array([_clipped_dots(ours.weights, theirs.weights) for theirs in references])
    norms = ours.norms * np.array([theirs.norms for theirs in references])
    cosines = np.divide(dots, norms, out=dots, where=norms != 0)
    differences = np.array([ours.length - theirs.length for theirs in references])
    similarities: npt.NDArray[np.float64] = cosines.mean(axis=1) * np.exp(-(differences**2) / (2 * _SIGMA**2))
    return similarities


def _clipped_dots(ours: dict[Tokens, float], theirs: dict[Tokens, float]) -> list[float]:
    dots = [0.0] * len(ORDERS)
    for gram, weight in ours.items():
        if gram in theirs:
            other = theirs[gram]
            dots[len(gram) - 1] += min(weight, other) * other
    return dots
