"""Bundles whose archive or manifest is not to be trusted."""

from __future__ import annotations

import stat
import zipfile

from mafs_bench.leaderboard.bundle import LARGEST
from tests.support.bundle_draft import Draft
from tests.support.malformed import MALFORMED, Spoil, malformed


def _nullify(name: str) -> Spoil:
    return lambda draft: draft.files.pop(name) and None


for _name in LARGEST:
    MALFORMED[f"without {_name}"] = (_nullify(_name), f"{_name}: is missing")


def _entry(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry


@malformed("is a path out of the bundle")
def path_traversal(draft: Draft) -> None:
    draft.entries.append(("../../evil.py", b"x"))


@malformed("is a path out of the bundle")
def absolute_path(draft: Draft) -> None:
    draft.entries.append(("/etc/passwd", b"x"))


@malformed("is a path out of the bundle")
def windows_path(draft: Draft) -> None:
    draft.entries.append(("..\\evil.py", b"x"))


@malformed("is not a plain file")
def symbolic_link(draft: Draft) -> None:
    raw = draft.files.pop("card.toml")
    draft.entries.append((_entry("card.toml", stat.S_IFLNK | 0o777), raw))


@malformed("is not a plain file")
def device(draft: Draft) -> None:
    draft.entries.append((_entry("tty", stat.S_IFCHR | 0o600), b""))


@malformed("does not belong in a bundle")
def pickle_inside(draft: Draft) -> None:
    draft.entries.append(("model.pkl", b"\x80\x04N."))


@malformed("does not belong in a bundle")
def nested_folder(draft: Draft) -> None:
    draft.entries.append(("cells/spec.json", b"{}"))


@malformed("contains duplicates: card.toml")
def same_name_twice(draft: Draft) -> None:
    draft.entries.append(("card.toml", b"name = 'other'"))


@malformed("has 30 entries")
def many_entries(draft: Draft) -> None:
    draft.entries += [(f"file{i}", b"") for i in range(25)]


@malformed("bytes; allowed:")
def zip_bomb(draft: Draft) -> None:
    draft.rehash = False
    draft.files["card.toml"] = b"#" * (LARGEST["card.toml"] + 1)


@malformed("allowed: stored, deflated")
def other_compression(draft: Draft) -> None:
    entry = _entry("card.toml", stat.S_IFREG)
    entry.compress_type = zipfile.ZIP_LZMA
    draft.entries.append((entry, draft.files.pop("card.toml")))


@malformed("manifest says")
def changed_after_hashing(draft: Draft) -> None:
    draft.rehash = False
    draft.text("card.toml", "MIT", "BSD")


@malformed("does not list card.toml")
def file_not_in_manifest(draft: Draft) -> None:
    draft.rehash = False
    draft.json("manifest.json", lambda m: m["files"].pop("card.toml") and None)


@malformed("files.card.toml: String should match pattern")
def manifest_with_short_hash(draft: Draft) -> None:
    draft.rehash = False
    draft.json("manifest.json", lambda m: m["files"].update({"card.toml": "abc"}))


@malformed("unknown board 'scenes-retreival'. Did you mean 'scenes-retrieval'")
def unknown_board(draft: Draft) -> None:
    draft.rehash = False
    draft.json("manifest.json", lambda m: m.update(board="scenes-retreival"))


@malformed("board: String should match pattern")
def board_that_is_a_path(draft: Draft) -> None:
    draft.rehash = False
    draft.json("manifest.json", lambda m: m.update(board="../../secret"))


@malformed("format: Input should be 1")
def future_format(draft: Draft) -> None:
    draft.rehash = False
    draft.json("manifest.json", lambda m: m.update(format=2))
