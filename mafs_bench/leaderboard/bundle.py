"""The container of a submission: a zip file or a folder of five files, read without trusting it.

Nothing is unpacked to disk: names are compared with the five allowed ones, so paths in an archive are never
followed.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from mafs_bench.errors import SubmissionError
from mafs_bench.leaderboard.findings import Finding, error, note, some

Files = dict[str, bytes]

SPEC, RESULTS, CARD, SCORES, MANIFEST = (
    "spec.json",
    "results.json",
    "card.toml",
    "scores.parquet",
    "manifest.json",
)
LARGEST = {SPEC: 2**18, RESULTS: 2**25, CARD: 2**14, SCORES: 2**27, MANIFEST: 2**14}
"""The files of a bundle and their largest size, bytes."""

IGNORED = "verified.toml"
"""A file that belongs to the maintainers of a board: inside a bundle it is ignored and not stored."""

_MOST_ENTRIES = 20
_EPOCH = (1980, 1, 1, 0, 0, 0)


def read_bundle(path: Path) -> tuple[Files, list[Finding]]:
    """Read a zip file or a folder: the allowed files, and findings about the others.

    Raises ``SubmissionError`` if there is nothing to read.
    """
    if path.is_symlink():
        raise SubmissionError(f"{path} is a link; allowed: a zip file or a folder")
    if path.is_dir():
        files, findings = _read_folder(path)
    elif path.is_file():
        files, findings = _read_zip(path)
    else:
        raise SubmissionError(f"{path}: no such file or folder")
    absent = sorted(set(LARGEST) - set(files) - {finding.where for finding in findings})
    return files, findings + [error(name, "is missing") for name in absent]


def write_bundle(files: Mapping[str, bytes], out: Path) -> None:
    """Write a folder, or a zip file if ``out`` ends in ``.zip``; equal files give equal bytes.

    Raises ``SubmissionError`` if it cannot be written.
    """
    try:
        if out.suffix == ".zip":
            out.parent.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
                for name in sorted(files):
                    archive.writestr(_entry(name), files[name])
        else:
            out.mkdir(parents=True, exist_ok=True)
            for name in sorted(files):
                (out / name).write_bytes(files[name])
    except OSError as problem:
        raise SubmissionError(f"cannot write {out}: {problem.strerror}") from problem


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry


def _read_folder(folder: Path) -> tuple[Files, list[Finding]]:
    files: Files = {}
    findings: list[Finding] = []
    for number, entry in enumerate(sorted(folder.iterdir())):
        if number == _MOST_ENTRIES:
            return files, [*findings, error(str(folder.name), f"has more than {_MOST_ENTRIES} entries")]
        status = entry.lstat()
        if not stat.S_ISREG(status.st_mode):
            findings.append(error(entry.name, "is not a plain file (links, folders and devices are refused)"))
        elif problem := _refuse(entry.name, status.st_size):
            findings.append(problem)
        else:
            files[entry.name] = entry.read_bytes()
    return files, findings


def _read_zip(path: Path) -> tuple[Files, list[Finding]]:
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as problem:
        return {}, [error(path.name, f"is not a readable zip file: {problem}")]


def _read_archive(archive: zipfile.ZipFile) -> tuple[Files, list[Finding]]:
    files: Files = {}
    findings: list[Finding] = []
    entries = archive.infolist()
    if len(entries) > _MOST_ENTRIES:
        return {}, [error("zip", f"has {len(entries)} entries; allowed: {len(LARGEST)}")]
    names = [entry.filename for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        findings.append(error("zip", f"contains duplicates: {some(twice)}"))
    for entry in entries:
        problem = _refuse_entry(entry) or _refuse(entry.filename, entry.file_size)
        if problem:
            findings.append(problem)
            continue
        try:
            files[entry.filename] = _read_entry(archive, entry)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as problem:
            findings.append(error(entry.filename, f"cannot be unpacked: {problem}"))
    return files, findings


def _refuse_entry(entry: zipfile.ZipInfo) -> Finding | None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        return error(entry.filename, "is not a plain file (links, folders and devices are refused)")
    if entry.flag_bits & 0x1:
        return error(entry.filename, "is encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return error(
            entry.filename, f"is compressed by method {entry.compress_type}; allowed: stored, deflated"
        )
    return None


def _refuse(name: str, size: int) -> Finding | None:
    if name.startswith(("/", "\\")) or ".." in Path(name).parts or ":" in name or "\\" in name:
        return error(name, "is a path out of the bundle")
    if name == IGNORED:
        return note(name, "is ignored: only maintainers verify entries")
    if name not in LARGEST:
        return error(name, f"does not belong in a bundle; allowed: {', '.join(LARGEST)}")
    if size > LARGEST[name]:
        return error(name, f"has {size} bytes; allowed: {LARGEST[name]}")
    return None


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Unpack at most the allowed size, whatever the header says."""
    most = LARGEST[entry.filename]
    with archive.open(entry) as file:
        raw = file.read(most + 1)
    if len(raw) > most:
        raise ValueError(f"unpacks to more than {most} bytes")
    return raw
