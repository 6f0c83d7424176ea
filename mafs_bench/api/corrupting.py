"""Corrupt images and texts as a run does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mafs_bench.errors import UsageError
from mafs_bench.limits import DEFAULT_SUITE, MAX_PIXELS
from mafs_bench.types import Corruption, Image

if TYPE_CHECKING:
    from rich.text import Text

    from mafs_bench.corruptions.suite import Suite


def corrupt_image(
    image: Image,
    corruption: str,
    severity: int = 3,
    *,
    seed: int = 0,
    sample_id: str = "",
    suite: str = DEFAULT_SUITE,
) -> Image:
    """Corrupt one image as a run does, in the frame of the suite.

    image: uint8 RGB (H, W, 3), at least 32 pixels per side. severity: 1 to 5, or 0 for the clean image in the frame.
    sample_id: key of the random draws, together with seed, suite and corruption. Returns uint8 RGB (H, W, 3). Raises
    ``DataError`` for an invalid image, ``UnknownNameError``, ``UsageError``.

    >>> import mafs_bench as mb, numpy as np
    >>> image = np.full((64, 64, 3), 127, dtype=np.uint8)
    >>> bool((mb.corrupt_image(image, "fog", severity=3) != mb.corrupt_image(image, "fog", severity=0)).any())
    True
    """
    from mafs_bench.corruptions.engine import corrupt_image as apply
    from mafs_bench.corruptions.engine import require_image
    from mafs_bench.corruptions.exact.frame import to_frame

    require_image(image, sample_id or "image")
    chosen = load_suite(suite)
    block = _one(chosen, corruption, "image", severity)
    framed = to_frame(image, chosen.frame)
    return apply(framed, block, (severity,), seed=seed, sample_id=sample_id)[0]


def corrupt_text(
    text: str,
    corruption: str,
    severity: int = 3,
    *,
    seed: int = 0,
    sample_id: str = "",
    suite: str = DEFAULT_SUITE,
) -> str | None:
    """Corrupt one text as a run does; returns None if the corruption cannot change it (not applicable).

    The arguments are those of ``corrupt_image``.

    >>> import mafs_bench as mb
    >>> mb.corrupt_text("two dogs", "casing", severity=5)
    'Two dogs'
    """
    from mafs_bench.corruptions.engine import corrupt_text as apply

    block = _one(load_suite(suite), corruption, "text", severity)
    return apply(text, block, (severity,), seed=seed, sample_id=sample_id)[0]


def _one(suite: Suite, name: str, modality: str, severity: int) -> Corruption:
    found = suite.select(name)
    if len(found) != 1 or found[0].modality != modality:
        kinds = ", ".join(f"{block.name} ({block.modality})" for block in found[:4])
        raise UsageError(f"corruption {name!r} of {suite.id} is {kinds}; allowed: one {modality} corruption")
    if severity not in (0, *found[0].severities):
        allowed = ", ".join(map(str, (0, *found[0].severities)))
        raise UsageError(f"severity {severity!r} of {found[0].name}; allowed: {allowed}")
    return found[0]


def load_suite(name: str = DEFAULT_SUITE) -> Suite:
    """Load a suite: ``name@N``, ``name`` (its newest version) or a TOML file.

    >>> import mafs_bench as mb
    >>> len(mb.load_suite("imagenet-c@1").corruptions)
    19
    """
    from mafs_bench.corruptions.suite import load

    return load(name)


def export_corrupted(
    corruption: str,
    out: Path,
    *,
    severity: str = "1-5",
    dataset: str = "scenes",
    split: str | None = None,
    data_root: Path | None = None,
    suite: str = DEFAULT_SUITE,
    limit: int | None = None,
    seed: int = 0,
    max_pixels: int = MAX_PIXELS,
    language: str = "",
    workers: int | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> int:
    """Write a corrupted data set losslessly, as ``mafs-bench corrupt`` does; returns the number of files.

    The arguments are those of the command; ``log`` is called with one line per corruption. Raises ``MafsBenchError``.
    """
    from mafs_bench.datasets.resolve import resolve
    from mafs_bench.language import require_code
    from mafs_bench.runs.boxes import with_boxes
    from mafs_bench.runs.execute import core_count
    from mafs_bench.runs.export import Export, export
    from mafs_bench.runs.frame import in_frame
    from mafs_bench.runs.plan import parse_severities
    from mafs_bench.runs.sizes import refuse_large_images

    severities = parse_severities(severity)
    chosen = load_suite(suite)
    corruptions = chosen.select(corruption)
    data = resolve(dataset, split, data_root, limit, max_pixels=max_pixels)
    if language:
        data = replace(data, language=require_code(language))
    data = in_frame(with_boxes(data, corruptions), chosen.frame)
    refuse_large_images(data, corruptions)
    processes = core_count() if workers is None else workers
    return len(export(Export(data, chosen, corruptions, severities, seed, out, processes, log)))


@dataclass(frozen=True)
class Preview:
    """Examples of corruptions: a contact sheet of ``images`` image corruptions, and lines per text corruption."""

    sheet: Path
    images: int
    texts: Mapping[str, Sequence[Text]]


def preview(
    corruption: str | None,
    out: Path,
    *,
    everything: bool = False,
    suite: str = DEFAULT_SUITE,
    image: Path | None = None,
    text: str | None = None,
    tile: int = 160,
    max_pixels: int = MAX_PIXELS,
    seed: int = 0,
    brackets: bool = False,
) -> Preview:
    """Write a contact sheet of image corruptions to ``out``, and mark the edits of text corruptions.

    corruption: names, or None with ``everything``. image: a file or a folder; None: a rendered scene. text: None: the
    scene's caption. tile: pixels per side of an image. brackets: mark edits with brackets as well as colours. Raises
    ``MafsBenchError``.
    """
    from mafs_bench.report.preview import choose, contact_sheet, example, text_edits, write_image

    images, texts = choose(suite, corruption, everything, image, text)
    shown, caption, boxes = example(image, text, max_pixels, load_suite(suite).frame)
    if images:
        write_image(out, contact_sheet(shown, images, seed=seed, tile=tile, boxes=boxes))
    edits = {block.name: text_edits(caption, block, seed=seed, brackets=brackets) for block in texts}
    return Preview(out, len(images), edits)
