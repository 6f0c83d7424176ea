"""What a loaded model answers on eight bundled inputs: its identity, beside the hash of its weights.

A file's hash does not cover what the file loads. The probe does: it asks a model for everything it can do, on four
clean images with a text and a question each and on four damaged ones, first together and then one at a time.
``compare`` compares two probes within the differences caused by other hardware and other batch sizes.

Take one with ``take_probe``, store ``probe.to_table()`` (plain JSON, a few kilobytes), read it again with
``Probe.from_table`` and compare: None means "the same model", otherwise the line says what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage

from mafs_bench.adapters.base import DUAL_ENCODER, Adapter, Answer, ChoiceAsked, Embeddings
from mafs_bench.adapters.memory import free_device_memory, is_out_of_memory
from mafs_bench.adapters.user_code import describe
from mafs_bench.adapters.vectors import as_embeddings
from mafs_bench.errors import AdapterError, MafsBenchError, ResourceError
from mafs_bench.types import Image

TOLERANCES = {"fp32": 1e-3, "bf16": 3e-2, "fp16": 3e-2}
"""Largest relative L2 difference of vectors and scores, by precision."""
_EQUAL_ANSWERS = {"fp32": 8, "bf16": 7, "fp16": 7}
"""How many of the eight answers or captions must be equal, by precision."""

_WIDTH = 32
"""Numbers that are kept of a vector: a longer one is projected, which keeps relative distances to some 10 %."""
_DIGITS = 7

_IMAGES = (*(f"clean-{i}.png" for i in range(4)), *(f"damaged-{i}.png" for i in range(4)))
"""Four test scenes, and four under ``contrast``, ``pixelate``, ``occlusion`` and ``gaussian_noise`` of ``core@1``."""
_TEXTS = (
    "two small striped black circles to the left of three green squares on a grey background",
    "a pair of pink squares below a dark cross",
    "A green diamond and some blue rings; four orange circles on the right.",
    "Four dotted blue rings are in the upper right corner of a lavender background.",
    "thrree samll grene sqares on a peech bakcground",
    "light left the from warms of golden stars three dark some hexagons and",
    "A purple disc stands to the",
    "there is a violet trian9le at the t0p right, and a y3llow star be1ow it",
)
_QUESTIONS = (
    "Is there a black circle?",
    "Are the squares plain?",
    "How many rings are there?",
    "What shape are the objects at the top right?",
    "What colour are teh sqares?",
    "How mnay hexagons there are?",
    "Is circle the dotted?",
    "What shape is the object at the bottom",
)
_ANSWERS = ("yes", "no", "1", "2", "4", "red", "green", "circle", "square", "ring")
N_INPUTS = len(_IMAGES)

GENERATING = frozenset({"answer", "answer_embedded", "caption", "caption_embedded", "match_pairs", "choose"})
"""Capabilities whose calls can take seconds each: probed only where a task needs them."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Probe:
    """A model's answers. Keys are an output and how it was asked for: ``images, together``, ``answers, alone``.

    precision: that of the model ("fp32", "bf16", "fp16"). numbers: float64 (8, k) each, k at most 32. widths: how
    long the vectors were before projection. words: eight answers or captions each. compared: False where the
    model is known by another name than its answers (a served one); ``compare`` then only compares precisions.
    """

    precision: str
    numbers: Mapping[str, Numbers]
    widths: Mapping[str, int]
    words: Mapping[str, tuple[str, ...]]
    compared: bool = True

    def to_table(self) -> dict[str, object]:
        """The probe as plain JSON."""
        return {
            "precision": self.precision,
            "compared": self.compared,
            "numbers": {name: _written(rows) for name, rows in self.numbers.items()},
            "widths": dict(self.widths),
            "words": {name: list(words) for name, words in self.words.items()},
        }

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Probe:
        """Read what ``to_table`` wrote. Raises ``ValueError`` for anything else."""
        try:
            numbers = {name: _read(lines) for name, lines in table["numbers"].items()}
            words = {name: tuple(map(str, given)) for name, given in table["words"].items()}
            widths = {name: int(width) for name, width in table["widths"].items()}
            return cls(str(table["precision"]), numbers, widths, words, bool(table["compared"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no probe: {type(error).__name__}: {error}") from error

    def of_encoders(self) -> Probe:
        """The part that says what images and texts are encoded to."""

        def kept(name: str) -> bool:
            return name.startswith(("images", "texts"))

        numbers = {name: rows for name, rows in self.numbers.items() if kept(name)}
        widths = {name: width for name, width in self.widths.items() if kept(name)}
        return replace(self, numbers=numbers, widths=widths, words={})

    def batch_difference(self) -> float:
        """Largest relative L2 difference between inputs together and one at a time; 0 where nothing is a number."""
        pairs = [
            (rows, self.numbers[name.replace(_TOGETHER, _ALONE)])
            for name, rows in self.numbers.items()
            if name.endswith(_TOGETHER)
        ]
        return max((relative_difference(*pair) for pair in pairs), default=0.0)


_TOGETHER, _ALONE = "together", "one at a time"


def compare(there: Probe, here: Probe) -> str | None:
    """Compare two probes over the outputs that both have; None where they are of one model.

    ``there`` is what was stored, ``here`` what is loaded now. Vectors and scores may differ by a relative L2 of 1e-3 in
    fp32 and 3e-2 in half precision; answers and captions must be equal in fp32, seven of eight in half precision.
    """
    if there.precision != here.precision:
        return f"the precision was {there.precision} and is {here.precision}"
    if not (there.compared and here.compared):
        return None
    if not (there.numbers.keys() & here.numbers.keys() or there.words.keys() & here.words.keys()):
        return "the models have no output in common"
    lines = (
        *(_compare_numbers(there, here, name) for name in there.numbers if name in here.numbers),
        *(_compare_words(there, here, name) for name in there.words if name in here.words),
    )
    return next((line for line in lines if line is not None), None)


def _compare_numbers(there: Probe, here: Probe, name: str) -> str | None:
    if name.startswith("confidences") and there.precision != "fp32":
        return None  # one answer of eight may differ, and its confidence with it
    widths = (there.widths.get(name), here.widths.get(name))
    if widths[0] != widths[1]:
        return f"{name}: the vectors had {widths[0]} dimensions and have {widths[1]}"
    if there.numbers[name].shape != here.numbers[name].shape:
        return (
            f"{name}: the outputs had shape {there.numbers[name].shape} and have {here.numbers[name].shape}"
        )
    allowed = TOLERANCES.get(there.precision, TOLERANCES["fp32"])
    found = relative_difference(there.numbers[name], here.numbers[name])
    return None if found <= allowed else f"{name}: outputs differ by {found:.2g} (allowed: {allowed:g})"


def _compare_words(there: Probe, here: Probe, name: str) -> str | None:
    pairs = list(zip(there.words[name], here.words[name], strict=False))
    other = [pair for pair in pairs if pair[0] != pair[1]]
    if len(pairs) - len(other) >= _EQUAL_ANSWERS.get(there.precision, N_INPUTS):
        return None
    return f"{name}: {len(other)} of {N_INPUTS} differ, e.g. {other[0][0]!r} was said and now {other[0][1]!r}"


def relative_difference(a: Numbers, b: Numbers) -> float:
    """‖a − b‖ / ‖a‖ over all entries; 0 where both are zero."""
    difference, length = float(np.linalg.norm(a - b)), float(np.linalg.norm(a))
    return difference / length if length else float("inf") if difference else 0.0


def take_probe(
    adapter: Adapter,
    precision: str,
    batch_size: int = N_INPUTS,
    needed: Collection[str] | None = None,
    compared: bool = True,
) -> Probe:
    """Ask a loaded model for everything it can do.

    precision: what it was loaded in. batch_size: most inputs at once. needed: the capabilities that the tasks at hand
    use; of those whose calls are slow (answers, captions) only they are asked; None: all. compared: see ``Probe``.
    Raises ``AdapterError`` in one line where the model fails, ``ResourceError`` where one input is too much for the
    memory. Afterwards the answers to choose from are the probe's:
    call ``prepare_answers`` again before the model is asked anything else.
    """
    able = adapter.capabilities - (frozenset() if needed is None else GENERATING - frozenset(needed))
    made: dict[str, Numbers] = {}
    words: dict[str, tuple[str, ...]] = {}
    for size, how in ((max(1, min(batch_size, N_INPUTS)), _TOGETHER), (1, _ALONE)):
        outputs = _ask_all(adapter, able, size)
        for name, first in outputs[0].items():
            parts = [output[name] for output in outputs]
            if isinstance(first, list):
                words[f"{name}, {how}"] = tuple(word for part in parts for word in part)
            else:
                made[f"{name}, {how}"] = _finite(adapter, name, np.concatenate(parts))
    widths = {name: rows.shape[1] for name, rows in made.items() if rows.ndim == 2}
    return Probe(precision, {name: _projected(rows) for name, rows in made.items()}, widths, words, compared)


Outputs = dict[str, Any]
"""What one call gave, by name: an array (n, …), or a list of n words."""


def _ask_all(adapter: Adapter, able: Collection[str], size: int) -> list[Outputs]:
    """Ask with ``size`` inputs at once, or half as many where memory runs out."""
    try:
        return [_ask(adapter, able, slice(i, i + size)) for i in range(0, N_INPUTS, size)]
    except ResourceError:
        if size == 1:
            raise
    free_device_memory()
    return _ask_all(adapter, able, size // 2)


def _ask(adapter: Adapter, able: Collection[str], part: slice) -> Outputs:
    """Everything that a model says of some of the inputs. Raises ``AdapterError`` or ``ResourceError``."""
    images, texts, questions = list(probe_images()[part]), list(_TEXTS[part]), list(_QUESTIONS[part])
    said: Outputs = {}
    try:
        encoded = _encoded(adapter, able, images)
        if encoded is not None:
            words = as_embeddings(adapter.encode_texts(texts), len(texts), "texts")
            said |= {"images": encoded.vectors, "texts": words.vectors}
            for capability, name, ask in _OF_PAIRS:
                if capability in able:
                    said[name] = ask(adapter, encoded, words)
        if not _ANSWERERS.isdisjoint(able):
            answers = _answers(adapter, able, images, questions, encoded)
            said["answers"] = [answer.text for answer in answers]
            confidences = [answer.confidence for answer in answers if answer.confidence is not None]
            if len(confidences) == len(answers):
                said["confidences"] = np.array(confidences, dtype=np.float32)
        if "match_pairs" in able:
            there = np.ones((len(images), 2), dtype=bool)
            probabilities = np.asarray(adapter.match_pairs(images, texts, there))
            said["joint match probabilities"] = np.where(np.isnan(probabilities), 0.5, probabilities)
        if "choose" in able:
            there = np.ones((len(images), 2), dtype=bool)
            asked = [ChoiceAsked(question, _ANSWERS[:4]) for question in questions]
            said["option probabilities"] = np.stack(list(adapter.choose(images, asked, there)))
        if not _CAPTIONERS.isdisjoint(able):
            said["captions"] = _captions(adapter, able, images, encoded)
    except MafsBenchError:
        raise
    except Exception as error:  # a user's code may raise anything
        if is_out_of_memory(error):
            raise ResourceError(
                f"out of memory when {adapter.name} is probed with {len(images)} images"
            ) from error
        raise AdapterError(f"{adapter.name} cannot be probed: {describe(error)}") from error
    return said


def _encoded(adapter: Adapter, able: Collection[str], images: list[Image]) -> Embeddings | None:
    if "encode_pixels" in able:
        pixels = np.stack([adapter.preprocess(image) for image in images])
        return as_embeddings(adapter.encode_pixels(pixels), len(images), "images")
    if set(able) >= DUAL_ENCODER:
        return as_embeddings(adapter.encode_images(images), len(images), "images")
    return None


_ANSWERERS = frozenset({"answer", "answer_embedded"})
_CAPTIONERS = frozenset({"caption", "caption_embedded"})
_OF_PAIRS: tuple[
    tuple[str, str, Callable[[Adapter, Embeddings, Embeddings], npt.NDArray[np.float32]]], ...
] = (
    ("fuse", "fused queries", lambda adapter, *pair: adapter.fuse(*pair).vectors),
    ("score_pairs", "pair scores", lambda adapter, *pair: np.asarray(adapter.score_pairs(*pair))),
    (
        "match_probabilities",
        "match probabilities",
        lambda adapter, *pair: np.asarray(adapter.match_probabilities(*pair)),
    ),
)


def _answers(
    adapter: Adapter,
    able: Collection[str],
    images: list[Image],
    questions: list[str],
    encoded: Embeddings | None,
) -> Sequence[Answer]:
    adapter.prepare_answers(_ANSWERS)
    if "answer_embedded" in able and encoded is not None:
        texts = as_embeddings(adapter.encode_texts(questions), len(questions), "texts")
        embedded: Sequence[Answer] = adapter.answer_embedded(encoded, texts, questions)
        return embedded
    seen: Sequence[Answer] = adapter.answer(images, questions, np.ones((len(images), 2), dtype=bool))
    return seen


def _captions(
    adapter: Adapter, able: Collection[str], images: list[Image], encoded: Embeddings | None
) -> list[str]:
    contexts = [""] * len(images)
    if "caption_embedded" in able and encoded is not None:
        texts = as_embeddings(adapter.encode_texts(contexts), len(contexts), "texts")
        return [caption.text for caption in adapter.caption_embedded(encoded, texts)]
    return [str(caption) for caption in adapter.caption(images, contexts)]


def _finite(adapter: Adapter, name: str, rows: npt.NDArray[np.float32]) -> Numbers:
    """Check that an output is one finite row an input, and give it as float64 (8, d)."""
    if len(rows) != N_INPUTS or not np.isfinite(rows).all():
        raise AdapterError(f"{adapter.name} cannot be probed: {name} are not {N_INPUTS} finite rows")
    return rows.astype(np.float64).reshape(N_INPUTS, -1)


def _projected(rows: Numbers) -> Numbers:
    """Keep rows (8, d) of up to 32 numbers, and project longer ones to 32, always in the same directions."""
    if rows.shape[1] <= _WIDTH:
        return rows
    directions = np.random.Generator(np.random.Philox(key=rows.shape[1])).standard_normal(
        (rows.shape[1], _WIDTH)
    )
    projected: Numbers = rows @ directions / np.sqrt(_WIDTH)
    return projected


def _written(rows: Numbers) -> list[str]:
    """One line per row: short in JSON."""
    return [" ".join(f"{value:.{_DIGITS}g}" for value in row) for row in rows.tolist()]


def _read(lines: Sequence[str]) -> Numbers:
    return np.array([[float(number) for number in line.split(" ")] for line in lines], dtype=np.float64)


@lru_cache(maxsize=1)
def probe_images() -> tuple[Image, ...]:
    """The eight images: uint8 RGB of several sizes, four clean and four damaged."""
    folder = resources.files("mafs_bench.adapters") / "probe_images"
    images = []
    for name in _IMAGES:
        with (folder / name).open("rb") as file, PILImage.open(file) as image:
            images.append(np.array(image.convert("RGB")))
    return tuple(images)
