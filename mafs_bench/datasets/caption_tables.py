"""Captions as lines of text: Flickr's token files, and the tables that Kaggle distributes.

A line ends with ``\\n`` or ``\\r\\n`` only: captions may contain other characters that Unicode counts as line ends.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from mafs_bench.errors import DataError

_BARS = re.compile(r"\s*image(?:_name)?\s*\|\s*comment_number\s*\|\s*comment\s*", re.IGNORECASE)
"""The header of Flickr30k's ``results.csv``."""
_COMMAS = re.compile(r"\ufeff?\s*\"?image(?:_name)?\"?\s*,\s*\"?(?:caption|comment)s?\"?\s*", re.IGNORECASE)
"""The header of Flickr8k's ``captions.txt``."""
_NUMBERED = re.compile(r"\s*\d+\s*(?:\||\s)\s*(?P<caption>.*)", re.DOTALL)
"""The rest of a line after the name. In one line of ``results.csv`` the bar after the number is missing."""

_FORMATS = (
    "'image.jpg#0<TAB>caption', or a table headed 'image,caption' or 'image_name| comment_number| comment'"
)


def read_lines(text: str) -> list[str]:
    """Split a text into lines without their line ends."""
    return [line.removesuffix("\r") for line in text.split("\n")]


def read_caption_table(path: Path, text: str) -> dict[str, list[str]]:
    """Captions by image name, in file order. Raises ``DataError`` with the number of a malformed line."""
    lines = read_lines(text)
    if _BARS.fullmatch(lines[0]):
        pairs = _split_at_bars(path, lines)
    elif _COMMAS.fullmatch(lines[0]):
        pairs = _split_at_commas(path, lines)
    else:
        pairs = _split_tokens(path, lines)
    captions: dict[str, list[str]] = {}
    for name, caption in pairs:
        captions.setdefault(name, []).append(caption)
    return captions


def _split_tokens(path: Path, lines: list[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        key, tab, caption = line.partition("\t")
        name, mark, index = key.rpartition("#")
        if not (tab and mark and name and index.isdigit()):
            raise DataError(f"{path}, line {number}: must read {_FORMATS}, is {line[:40]!r}")
        yield name, caption


def _split_at_bars(path: Path, lines: list[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        name, bar, rest = line.partition("|")
        numbered = _NUMBERED.fullmatch(rest)
        if not (bar and name.strip() and numbered):
            raise DataError(f"{path}, line {number}: must read 'image.jpg| 0| caption', is {line[:40]!r}")
        yield name.strip(), numbered["caption"]


def _split_at_commas(path: Path, lines: list[str]) -> Iterator[tuple[str, str]]:
    """Quoted captions may contain commas and line ends; an unquoted caption is everything after the first comma."""
    reader = csv.reader((f"{line}\n" for line in lines[1:]), strict=False)
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) < 2 or not row[0].strip():
                raise DataError(
                    f"{path}, line {reader.line_num + 1}: must read 'image.jpg,caption', is {','.join(row)[:40]!r}"
                )
            yield row[0].strip(), ",".join(row[1:])
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num + 1}: {error}") from error
