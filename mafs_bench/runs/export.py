"""Write a corrupted data set to disk, byte for byte what a run would make on the fly.

``OUT/<corruption>/<severity>/`` holds ``<stem>.png`` and ``captions.jsonl``, and can be given to ``--dataset``. A stem
is the last part of a sample's id; where two are equal, their folders are kept.
Where an image can be *not applicable* (it lacks the boxes that are needed) it stays as it is, and ``captions.jsonl``
says so. Under a text corruption that file names the images of ``OUT/clean/``; under a pair corruption
``pairs.jsonl`` says who lost which modality and who got whose. ``manifest.json`` records what was asked for and
the SHA-256 of each file's content: of shape and pixels for an image, of the bytes for the rest.

An interrupted export is resumed. A file that the manifest lists is kept if its content is what the manifest says and
refused if not; a file that it does not list is written again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path, PurePosixPath
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
from mafs_bench.datasets.annotations import name_some
from mafs_bench.datasets.folder import IMAGE_ENDINGS
from mafs_bench.errors import DataError, StoreError, UsageError
from mafs_bench.files import legal_name
from mafs_bench.runs.frame import frame_name, load_with_boxes
from mafs_bench.runs.images import image_digest
from mafs_bench.runs.store import write_atomically
from mafs_bench.tasks.base import caption_pairs
from mafs_bench.types import Corruption, Dataset, Image, Sample

_MANIFEST = "manifest.json"
_STORE_EVERY = 30
"""Seconds after which the manifest is stored again: an export that is killed loses no more than that."""


@dataclass(frozen=True)
class Export:
    """What to write where; ``workers`` processes make the images (0: this one)."""

    dataset: Dataset
    suite: Suite
    corruptions: tuple[Corruption, ...]
    severities: tuple[int, ...]
    seed: int
    out: Path
    workers: int = 0
    note: Callable[[str], None] = field(default=lambda line: None, compare=False)

    def severities_of(self, corruption: Corruption) -> tuple[int, ...]:
        """The severities to write that the corruption has."""
        return tuple(severity for severity in self.severities if severity in corruption.severities)


def export(job: Export) -> dict[str, str]:
    """Write what is not there yet; file -> SHA-256 of its content, for all that this export consists of.

    Raises ``StoreError`` where ``out`` holds another export or a file whose content is not what the manifest says,
    ``DataError`` for unreadable images, ``UsageError`` for corruptions of texts where there are none.
    """
    _refuse_wordless(job)
    stems = _stems(job.dataset)
    manifest = _Manifest.open(job)
    by_modality = {"image": _write_images, "text": _write_texts, "pair": _write_pairs}
    with manifest.stored_at_the_end():
        if any(corruption.modality != "image" for corruption in job.corruptions):
            _write_images(job, None, stems, manifest)
        for corruption in job.corruptions:
            by_modality[corruption.modality](job, corruption, stems, manifest)
            job.note(
                f"{corruption.name}: {len(job.severities_of(corruption))} severities of {len(stems)} samples"
            )
    return manifest.files


def _refuse_wordless(job: Export) -> None:
    """A folder with only images has no texts to corrupt, and no pairs."""
    textual = [corruption.name for corruption in job.corruptions if corruption.modality != "image"]
    if textual and not any(sample.captions or sample.questions for sample in job.dataset.samples):
        raise UsageError(
            f"{job.dataset.name} has no texts, which {name_some(textual)} {'needs' if len(textual) == 1 else 'need'}; "
            "--corruption image chooses all that change images"
        )


@dataclass
class _Manifest:
    """``manifest.json``: what was asked for, and the SHA-256 of the content of each file that was written."""

    out: Path
    identity: dict[str, Any]
    files: dict[str, str]
    _stored: float = field(default_factory=time.monotonic)

    @classmethod
    def open(cls, job: Export) -> _Manifest:
        """Read it, or begin one. Raises ``StoreError``."""
        identity = {
            "suite": job.suite.id,
            "suite_hash": job.suite.digest,
            "frame": frame_name(job.suite.frame),
            "seed": job.seed,
            "dataset": job.dataset.name,
            "split": job.dataset.split,
            "revision": job.dataset.revision,
            "samples": len(job.dataset.samples),
        }
        manifest = cls(job.out, identity, _read_manifest(job.out, identity))
        manifest.store()
        return manifest

    def store(self) -> None:
        """Write it. Raises ``StoreError``."""
        content = self.identity | {"files": dict(sorted(self.files.items()))}
        write_atomically(self.out / _MANIFEST, (json.dumps(content, indent=1) + "\n").encode())
        self._stored = time.monotonic()

    def add(self, files: Mapping[str, str]) -> None:
        """List files that were written, and store the manifest now and then."""
        self.files |= files
        if time.monotonic() - self._stored > _STORE_EVERY:
            self.store()

    @contextmanager
    def stored_at_the_end(self) -> Iterator[None]:
        """Store it when the block ends, in whatever way."""
        try:
            yield
        finally:
            self.store()

    def write_lines(self, path: Path, records: Iterable[dict[str, Any]]) -> None:
        """Write a file of JSON lines. Raises ``StoreError`` where one is there that was changed."""
        data = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
        name = _relative(self.out, path)
        if name in self.files and path.exists():
            if hashlib.sha256(path.read_bytes()).hexdigest() != self.files[name]:
                raise _changed(path)
            return
        write_atomically(path, data)
        self.add({name: hashlib.sha256(data).hexdigest()})


def _changed(path: Path) -> StoreError:
    return StoreError(
        f"{path} is not what {_MANIFEST} says: it was changed since; delete the file to have it written again"
    )


def _read_manifest(out: Path, identity: dict[str, Any]) -> dict[str, str]:
    path = out / _MANIFEST
    if not path.exists():
        if out.is_dir() and any(out.iterdir()):
            raise StoreError(f"{out} contains other files; allowed: an empty folder, or an unfinished export")
        return {}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        files: dict[str, str] = stored.pop("files")
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from error
    for key, value in identity.items():
        if stored.get(key) != value:
            reason = " (images or annotations were replaced)" if key == "revision" else ""
            raise StoreError(
                f"{out} was written with {key} = {stored.get(key)!r}, asked for {value!r}{reason}; "
                "choose another --out"
            )
    return files


def _stems(dataset: Dataset) -> list[str]:
    """Names of the samples' files, without their ending: of each id its last part.

    Where two of those are equal, folders are kept, and where that does not do either, the endings too. Case does not
    tell two names apart: it does not on every disk. Raises ``DataError`` where two are still the same.
    """
    ids = [_below(sample.id) for sample in dataset.samples]
    for named in (lambda path: _bare(path).name, lambda path: _bare(path).as_posix(), PurePosixPath.as_posix):
        stems = [named(path) for path in ids]
        twice = [name for name, n in Counter(stem.casefold() for stem in stems).items() if n > 1]
        if not twice:
            return stems
    same = [s.id for s, stem in zip(dataset.samples, stems, strict=True) if stem.casefold() == twice[0]]
    raise DataError(f"{dataset.name}: {name_some(same)} would all be written as {twice[0]}.png")


def _below(name: str) -> PurePosixPath:
    """A sample's id as a path that stays below the folder that it is written to, of names that every system takes."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..")]
    return (
        PurePosixPath(*(legal_name(part.replace(":", "_")) for part in parts))
        if parts
        else PurePosixPath("_")
    )


def _bare(path: PurePosixPath) -> PurePosixPath:
    """A path without the ending of an image."""
    return path.with_suffix("") if path.suffix.lower() in IMAGE_ENDINGS else path


def _write_images(
    job: Export, corruption: Corruption | None, stems: Sequence[str], manifest: _Manifest
) -> None:
    """The images of all severities (None: as they are, in ``clean``), and the captions beside them."""
    severities = (0,) if corruption is None else job.severities_of(corruption)
    folders = [_folder(job.out, corruption, severity) for severity in severities]
    make = partial(_make_images, corruption=corruption, severities=severities, seed=job.seed)
    paths = [[folder / f"{stem}.png" for folder in folders] for stem in stems]
    names = [[_relative(job.out, path) for path in row] for row in paths]
    listed = [[manifest.files.get(name) for name in row] for row in names]
    with _mapper(job.workers) as mapped:
        for row, digests in zip(names, mapped(make, job.dataset.samples, paths, listed), strict=True):
            manifest.add(dict(zip(row, digests, strict=True)))
    records = [
        {"id": sample.id, "image": f"{stem}.png", "captions": list(sample.captions)}
        | _with_questions(sample, [question.text for question in sample.questions])
        | _image_applicability(sample, corruption)
        for sample, stem in zip(job.dataset.samples, stems, strict=True)
    ]
    for folder in folders:
        manifest.write_lines(folder / "captions.jsonl", records)


def _with_questions(sample: Sample, texts: Sequence[str]) -> dict[str, Any]:
    """A sample's questions with these texts, as a data set of JSON lines has them; nothing where it has none."""
    asked = [
        {"id": question.id, "question": text, "answers": list(question.answers)}
        for question, text in zip(sample.questions, texts, strict=True)
    ]
    return {"questions": asked} if asked else {}


def _image_applicability(sample: Sample, corruption: Corruption | None) -> dict[str, bool]:
    if corruption is None or not needs_boxes(corruption):
        return {}
    return {"image_not_applicable": not applies(corruption, sample.boxes)}


def _make_images(
    sample: Sample,
    paths: Sequence[Path],
    listed: Sequence[str | None],
    corruption: Corruption | None,
    severities: Sequence[int],
    seed: int,
) -> list[str]:
    """Write one sample's images, from one decode and one draw; their hashes.

    Those that are there and have the hash that is ``listed`` stay. Raises ``StoreError`` where an image has, or would
    get, another hash than the one that is listed.
    """
    kept = [_kept(path, digest) for path, digest in zip(paths, listed, strict=True)]
    if all(digest is not None for digest in kept):
        return [digest for digest in kept if digest is not None]
    clean, boxes = load_with_boxes(sample.image, sample.boxes)
    images = corrupt_where_applicable(
        clean, corruption, severities, seed=seed, sample_id=sample.id, boxes=boxes
    )
    digests = [content_hash(image) for image in images]
    for path, image, digest, before in zip(paths, images, digests, listed, strict=True):
        if before not in (None, digest):
            raise StoreError(
                f"{path} would differ from what {_MANIFEST} says, which other packages wrote; choose another --out"
            )
        if not path.exists() or before is None:
            write_atomically(path, _png(image))
    return digests


def _kept(path: Path, listed: str | None) -> str | None:
    """The hash of an image that is there and listed, None where it is to be written."""
    from mafs_bench.datasets.images import decode

    if listed is None or not path.exists():
        return None
    try:
        found = content_hash(decode(path))
    except DataError:
        found = ""
    if found != listed:
        raise _changed(path)
    return listed


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


def _write_texts(job: Export, corruption: Corruption, stems: Sequence[str], manifest: _Manifest) -> None:
    """Captions and questions; one that cannot be changed stays as it is, its number among ``not_applicable``."""
    for severity in job.severities_of(corruption):
        folder = _folder(job.out, corruption, severity)

        def corrupted(text: str, key: str, severity: int = severity) -> str | None:
            language = job.dataset.language
            return corrupt_text(
                text, corruption, (severity,), seed=job.seed, sample_id=key, language=language
            )[0]

        captions, questions = [], []
        for sample, stem in zip(job.dataset.samples, stems, strict=True):
            made = [corrupted(text, sample.caption_id(k)) for k, text in enumerate(sample.captions)]
            asked = [corrupted(question.text, question.id) for question in sample.questions]
            captions.append(
                {
                    "id": sample.id,
                    "image": f"../../clean/{stem}.png",
                    "captions": [
                        own if new is None else new for own, new in zip(sample.captions, made, strict=True)
                    ],
                    "not_applicable": [k for k, text in enumerate(made) if text is None],
                }
                | _with_questions(
                    sample, [q.text if t is None else t for q, t in zip(sample.questions, asked, strict=True)]
                )
            )
            for question, text in zip(sample.questions, asked, strict=True):
                record = {
                    "id": question.id,
                    "sample": sample.id,
                    "question": question.text if text is None else text,
                }
                questions.append(record | {"not_applicable": text is None})
        manifest.write_lines(folder / "captions.jsonl", captions)
        if questions:
            manifest.write_lines(folder / "questions.ndjson", questions)


def _write_pairs(job: Export, corruption: Corruption, stems: Sequence[str], manifest: _Manifest) -> None:
    """The plan over all (image, caption) pairs: the recorded permutation."""
    samples = job.dataset.samples
    items = [PairItem(pair.id, samples[pair.sample].group, pair.text) for pair in caption_pairs(job.dataset)]
    for severity in job.severities_of(corruption):
        plan = plan_pairs(items, corruption, severity, seed=job.seed)
        records = [_pair_record(items, plan, i) for i in range(len(items))]
        manifest.write_lines(_folder(job.out, corruption, severity) / "pairs.jsonl", records)


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
    return out / "clean" if corruption is None else out / legal_name(corruption.name) / str(severity)


def _relative(out: Path, path: Path) -> str:
    return path.relative_to(out).as_posix()
