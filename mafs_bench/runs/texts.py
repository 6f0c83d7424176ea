"""Corrupted texts: all severities that are wanted from one draw, kept until another corruption's turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mafs_bench.corruptions.audit import audit_text
from mafs_bench.corruptions.engine import corrupt_text
from mafs_bench.runs.encode import digest_of
from mafs_bench.tasks.base import Pair
from mafs_bench.types import Corruption


@dataclass(frozen=True, slots=True)
class CorruptedTexts:
    """Texts under one condition: which could be changed, the SHA-256 of all, and how much changed."""

    texts: list[str]
    applicable: npt.NDArray[np.bool_]
    digest: bytes
    audit: Mapping[str, float | int | None]


@dataclass
class TextMaker:
    """Makes the texts of pairs under one corruption after the other, and keeps them for all tasks that read them."""

    seed: int
    language: str = ""
    _of: str = ""
    _clean: dict[tuple[str, ...], CorruptedTexts] = field(default_factory=dict)
    _made: dict[tuple[tuple[str, ...], int], CorruptedTexts] = field(default_factory=dict)

    def clean(self, pairs: Sequence[Pair]) -> CorruptedTexts:
        """The texts of pairs as they are."""
        ids = tuple(pair.id for pair in pairs)
        if ids not in self._clean:
            self._clean[ids] = _clean_texts(pairs)
        return self._clean[ids]

    def corrupted(
        self, pairs: Sequence[Pair], corruption: Corruption, severity: int, wanted: Sequence[int]
    ) -> CorruptedTexts:
        """The texts of pairs, each corrupted under the key of its id; made at all severities that are ``wanted``."""
        ids = tuple(pair.id for pair in pairs)
        if corruption.name != self._of:
            self._of, self._made = corruption.name, {}
        if (ids, severity) not in self._made:
            texts = corrupt_texts(pairs, corruption, wanted, self.seed, self.language)
            for one, made in zip(wanted, texts, strict=True):
                self._made[ids, one] = made
        return self._made[ids, severity]


def corrupt_texts(
    pairs: Sequence[Pair], corruption: Corruption, severities: Sequence[int], seed: int, language: str = ""
) -> list[CorruptedTexts]:
    """Corrupt the texts of pairs, in that language, at each of ``severities``, each text keyed by its pair's id."""
    clean = [pair.text for pair in pairs]
    made = [
        corrupt_text(pair.text, corruption, severities, seed=seed, sample_id=pair.id, language=language)
        for pair in pairs
    ]
    return [_audited(clean, [levels[i] for levels in made]) for i in range(len(severities))]


def _clean_texts(pairs: Sequence[Pair]) -> CorruptedTexts:
    texts = [pair.text for pair in pairs]
    return CorruptedTexts(texts, np.ones(len(pairs), dtype=bool), _digest(texts), {})


def _audited(clean: Sequence[str], made: Sequence[str | None]) -> CorruptedTexts:
    applicable = np.array([text is not None for text in made], dtype=bool)
    texts = [text if text is not None else own for text, own in zip(made, clean, strict=True)]
    both = list(zip(clean, texts, strict=True))
    audits = [audit_text(*two) for two, used in zip(both, applicable, strict=True) if used]
    audit: dict[str, float | int | None] = {
        name: float(np.mean([one[name] for one in audits])) for name in (audits[0] if audits else ())
    }
    audit["texts_not_applicable"] = int(np.count_nonzero(~applicable))
    audit["texts_changed"] = float(np.mean([a != b for a, b in both])) if both else None
    return CorruptedTexts(texts, applicable, _digest(texts), audit)


def _digest(texts: Sequence[str]) -> bytes:
    return digest_of([text.encode(errors="surrogatepass") for text in texts]).encode()
