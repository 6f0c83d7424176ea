"""Write a corrupted data set to disk, byte for byte what a run would make on the fly.

``OUT/<corruption>/<severity>/`` holds ``<stem>.png`` and ``captions.jsonl``, and can be given to ``--dataset``.
Where a picture can be *not applicable* (it lacks the boxes that are needed) it stays as it is, and ``captions.jsonl``
says so. Under a text corruption that file names the pictures of ``OUT/clean/``; under a pair corruption
``pairs.jsonl`` says who lost which modality and who got whose. ``manifest.json`` records what was asked for and
the SHA-256 of each file's content: of shape and pixels for a picture, of the bytes for the rest.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from mafs_bench.corruptions.base import PairItem, PairPlan
from mafs_bench.corruptions.engine import (
    applies,
    corrupt_text,
    corrupt_where_applicable,
    needs_boxes,
    plan_pairs,
)
from mafs_bench.corruptions.suite import Suite
from mafs_bench.errors import DataError, StoreError
from mafs_bench.runs.images import image_digest
from mafs_bench.runs.store import write_atomically
from mafs_bench.tasks.base import caption_pairs
from mafs_bench.types import Corruption, Dataset, Image, Sample

_MANIFEST = "manifest.json"
_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


@dataclass(frozen=True)
class Export:
    """What to write where; ``workers`` processes make the pictures (0: this one)."""

    dataset: Dataset
    suite: Suite
    corruptions: tuple[Corruption, ...]
    severities: tuple[int, ...]
    seed: int
    out: Path
    workers: int = 0
    note: Callable[[str], None] = field(default=lambda line: None, compare=False)


def export(job: Export) -> dict[str, str]:
    """Write what is not there yet; file -> SHA-256 of its content, for all that this export consists of.

    Raises ``StoreError`` where ``out`` holds another export, ``DataError`` for unreadable pictures.
    """
    identity = {
        "suite": job.suite.id,
        "suite_hash": job.suite.digest,
        "seed": job.seed,
        "dataset": job.dataset.name,
        "split": job.dataset.split,
        "revision": job.dataset.revision,
        "samples": len(job.dataset.samples),
    }
    files = _open_manifest(job.out, identity)
    _store_manifest(job.out, identity, files)
    stems = _stems(job.dataset)
    by_modality = {"image": _write_images, "text": _write_texts, "pair": _write_pairs}
    if any(corruption.modality != "image" for corruption in job.corruptions):
        files |= _write_images(job, None, stems)
        _store_manifest(job.out, identity, files)
    for corruption in job.corruptions:
        files |= by_modality[corruption.modality](job, corruption, stems)
        _store_manifest(job.out, identity, files)
        job.note(f"{corruption.name}: {len(job.severities)} severities of {len(stems)} samples")
    return files


def _open_manifest(out: Path, identity: dict[str, Any]) -> dict[str, str]:
    path = out / _MANIFEST
    if not path.exists():
        if out.is_dir() and any(out.iterdir()):
            raise StoreError(f"{out} holds other files; allowed: an empty folder, or an export begun there")
        return {}
    try:
        stored = json.loads(path.read_text())
        files: dict[str, str] = stored.pop("files")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    for key, value in identity.items():
        if stored.get(key) != value:
            raise StoreError(f"{out} was written with {key} = {stored.get(key)!r}, asked for {value!r}")
    return files


def _store_manifest(out: Path, identity: dict[str, Any], files: dict[str, str]) -> None:
    content = identity | {"files": dict(sorted(files.items()))}
    write_atomically(out / _MANIFEST, (json.dumps(content, indent=1) + "\n").encode())


def _stems(dataset: Dataset) -> list[str]:
    """The samples' file names without folders and endings. Raises ``DataError`` where two are the same."""
    names = [Path(sample.id).name for sample in dataset.samples]
    stems = [Path(name).stem if Path(name).suffix.lower() in _PICTURES else name for name in names]
    common = Counter(stems).most_common(1)
    if common and common[0][1] > 1:
        raise DataError(f"{dataset.name}: {common[0][1]} samples would be written as {common[0][0]}.png")
    return stems


def _write_images(job: Export, corruption: Corruption | None, stems: Sequence[str]) -> dict[str, str]:
    """The pictures of all severities (None: as they are, in ``clean``), and the captions beside them."""
    severities = (0,) if corruption is None else job.severities
    folders = [_folder(job.out, corruption, severity) for severity in severities]
    make = partial(
        _make_pictures, corruption=corruption, severities=severities, seed=job.seed, folders=folders
    )
    with _mapper(job.workers) as mapped:
        made = list(mapped(make, job.dataset.samples, stems))
    files = {
        _relative(job.out, folder / f"{stem}.png"): digests[k]
        for stem, digests in zip(stems, made, strict=True)
        for k, folder in enumerate(folders)
    }
    records = [
        {"id": sample.id, "image": f"{stem}.png", "captions": list(sample.captions)}
        | _image_applicability(sample, corruption)
        for sample, stem in zip(job.dataset.samples, stems, strict=True)
    ]
    for folder in folders:
        files |= _write_lines(job.out, folder / "captions.jsonl", records)
    return files


def _image_applicability(sample: Sample, corruption: Corruption | None) -> dict[str, bool]:
    if corruption is None or not needs_boxes(corruption):
        return {}
    return {"image_not_applicable": not applies(corruption, sample.boxes)}


def _make_pictures(
    sample: Sample,
    stem: str,
    corruption: Corruption | None,
    severities: Sequence[int],
    seed: int,
    folders: Sequence[Path],
) -> list[str]:
    """Write one sample's pictures, from one decode and one draw; those that are there are only hashed."""
    from mafs_bench.datasets.images import decode

    paths = [folder / f"{stem}.png" for folder in folders]
    if all(path.exists() for path in paths):
        return [content_hash(decode(path)) for path in paths]
    clean = sample.image.load()
    images = corrupt_where_applicable(
        clean, corruption, severities, seed=seed, sample_id=sample.id, boxes=sample.boxes
    )
    for path, image in zip(paths, images, strict=True):
        write_atomically(path, _png(image))
    return [content_hash(image) for image in images]


def content_hash(image: Image) -> str:
    """SHA-256, hexadecimal, over shape and pixels."""
    return image_digest(image).hex()


def _png(image: Image) -> bytes:
    import cv2

    return cv2.imencode(".png", image[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 3])[1].tobytes()


@contextmanager
def _mapper(workers: int) -> Iterator[Callable[..., Iterable[Any]]]:
    if workers == 0:
        yield map
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield partial(pool.map, chunksize=8)


def _write_texts(job: Export, corruption: Corruption, stems: Sequence[str]) -> dict[str, str]:
    """Captions and questions; one that cannot be changed stays as it is, its number among ``not_applicable``."""
    files: dict[str, str] = {}
    for severity in job.severities:
        folder = _folder(job.out, corruption, severity)

        def corrupted(text: str, key: str, severity: int = severity) -> str | None:
            return corrupt_text(text, corruption, (severity,), seed=job.seed, sample_id=key)[0]

        captions, questions = [], []
        for sample, stem in zip(job.dataset.samples, stems, strict=True):
            made = [corrupted(text, sample.caption_id(k)) for k, text in enumerate(sample.captions)]
            captions.append(
                {
                    "id": sample.id,
                    "image": f"../../clean/{stem}.png",
                    "captions": [
                        own if new is None else new for own, new in zip(sample.captions, made, strict=True)
                    ],
                    "not_applicable": [k for k, text in enumerate(made) if text is None],
                }
            )
            for question in sample.questions:
                text = corrupted(question.text, question.id)
                asked = {
                    "id": question.id,
                    "sample": sample.id,
                    "question": question.text if text is None else text,
                }
                questions.append(asked | {"not_applicable": text is None})
        files |= _write_lines(job.out, folder / "captions.jsonl", captions)
        if questions:
            files |= _write_lines(job.out, folder / "questions.ndjson", questions)
    return files


def _write_pairs(job: Export, corruption: Corruption, stems: Sequence[str]) -> dict[str, str]:
    """The plan over all (image, caption) pairs: the recorded permutation."""
    samples = job.dataset.samples
    items = [PairItem(pair.id, samples[pair.sample].group, pair.text) for pair in caption_pairs(job.dataset)]
    files: dict[str, str] = {}
    for severity in job.severities:
        plan = plan_pairs(items, corruption, severity, seed=job.seed)
        records = [_pair_record(items, plan, i) for i in range(len(items))]
        files |= _write_lines(job.out, _folder(job.out, corruption, severity) / "pairs.jsonl", records)
    return files


def _pair_record(items: Sequence[PairItem], plan: PairPlan, i: int) -> dict[str, Any]:
    return {
        "id": items[i].id,
        "image_present": bool(plan.image_present[i]),
        "text_present": bool(plan.text_present[i]),
        "image_from": items[plan.image_from[i]].id,
        "text_from": items[plan.text_from[i]].id,
        "blend_from": items[plan.blend_from[i]].id,
        "image_blend": plan.image_blend,
        "text_blend": plan.text_blend,
    }


def _folder(out: Path, corruption: Corruption | None, severity: int) -> Path:
    return out / "clean" if corruption is None else out / corruption.name / str(severity)


def _write_lines(out: Path, path: Path, records: Iterable[dict[str, Any]]) -> dict[str, str]:
    data = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
    write_atomically(path, data)
    return {_relative(out, path): hashlib.sha256(data).hexdigest()}


def _relative(out: Path, path: Path) -> str:
    return path.relative_to(out).as_posix()
