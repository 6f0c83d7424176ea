"""Compile WordNet 3.0 into the frozen table of first-sense synonyms and antonyms that ships beside this file.

    python -m mafs_bench.corruptions.text.compile_wordnet DICT_DIR

``DICT_DIR`` holds WordNet's ``index.*`` and ``data.*`` (Debian: package ``wordnet-base``). A line of the table
is ``lemma, part of speech (n v a r), synonyms, antonyms``, separated by tabs, lists by ``|``; only what is
written in lower-case letters is kept. Format of the sources: the manual page wndb(5).
"""

from __future__ import annotations

import gzip
import re
import sys
from collections.abc import Iterator
from pathlib import Path

TABLE = Path(__file__).parent / "data" / "wordnet-3.0.tsv.gz"
_LICENCE = TABLE.parent / "WORDNET_LICENSE.txt"
_PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
_PLAIN = re.compile(r"[a-z]+(?: [a-z]+)?")


def main() -> None:
    """Read the folder given on the command line, write the table and WordNet's licence beside it."""
    folder = Path(sys.argv[1])
    lines = sorted(line for part in _PARTS for line in _lines(folder, part))
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_bytes(gzip.compress("".join(lines).encode(), 9, mtime=0))
    _LICENCE.write_text(_licence(folder), encoding="utf-8")
    print(f"{len(lines)} entries, {TABLE.stat().st_size / 1e6:.2f} MB")


def _lines(folder: Path, part: str) -> Iterator[str]:
    synsets = dict(_synsets(folder / f"data.{part}"))
    for line in _records(folder / f"index.{part}"):
        fields = line.split()
        lemma, first = fields[0], fields[6 + int(fields[3])]
        names, opposites = synsets[first]
        if not _PLAIN.fullmatch(lemma):
            continue
        own = [k for k, name in enumerate(names) if name.lower() == lemma]
        same = [name for name in names if name.lower() != lemma and _PLAIN.fullmatch(name)]
        opposite = [
            synsets[offset][0][there]
            for here, offset, there in opposites
            if here in own and offset in synsets and _PLAIN.fullmatch(synsets[offset][0][there])
        ]
        if same or opposite:
            yield f"{lemma}\t{_PARTS[part]}\t{'|'.join(same)}\t{'|'.join(opposite)}\n"


def _synsets(file: Path) -> Iterator[tuple[str, tuple[list[str], list[tuple[int, str, int]]]]]:
    """Offset -> (its words, antonyms as (position of the word, other synset, position there))."""
    for line in _records(file):
        fields = line.split(" | ")[0].split()
        count = int(fields[3], 16)
        names = [
            re.sub(r"\((?:a|p|ip)\)$", "", name).replace("_", " ") for name in fields[4 : 4 + 2 * count : 2]
        ]
        pointers = fields[5 + 2 * count : 5 + 2 * count + 4 * int(fields[4 + 2 * count])]
        opposites = [
            (int(ends[:2], 16) - 1, offset, int(ends[2:], 16) - 1)
            for symbol, offset, ends in zip(pointers[::4], pointers[1::4], pointers[3::4], strict=True)
            if symbol == "!"
        ]
        yield fields[0], (names, opposites)


def _records(file: Path) -> Iterator[str]:
    return (line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("  "))


def _licence(folder: Path) -> str:
    """WordNet's licence stands, numbered line by line, at the head of each of its files."""
    head = [
        line
        for line in (folder / "data.adv").read_text(encoding="utf-8").splitlines()
        if line.startswith("  ")
    ]
    return "\n".join(re.sub(r"^ +\d+ ?", "", line).rstrip() for line in head) + "\n"


if __name__ == "__main__":
    main()
