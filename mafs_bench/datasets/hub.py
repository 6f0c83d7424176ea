"""Public data sets from the Hugging Face hub, read with ``datasets`` from Parquet files at a pinned commit.

Rows are memory-mapped; an image is decoded when a worker asks for it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from mafs_bench.datasets.images import decode
from mafs_bench.errors import DataError
from mafs_bench.types import MAX_PIXELS, Image


@dataclass(frozen=True, slots=True)
class HubTable:
    """Parquet files in a data set repository at one commit."""

    repository: str
    commit: str
    files: str

    @property
    def url(self) -> str:
        """The URL that ``datasets`` reads."""
        return f"hf://datasets/{self.repository}@{self.commit}/{self.files}"

    @property
    def revision(self) -> str:
        """Identifies the content."""
        return f"{self.repository}@{self.commit}"


@dataclass(frozen=True, slots=True)
class HubImage:
    """The image in one row (an ``ImageSource``); ``rows`` is a ``datasets.Dataset`` of undecoded images."""

    rows: Any
    index: int
    name: str
    max_pixels: int = MAX_PIXELS

    def load(self) -> Image:
        """Decode the image. Raises ``DataError``."""
        return decode(io.BytesIO(self.rows[self.index]["image"]["bytes"]), self.name, self.max_pixels)


def open_rows(url: str, local_layout: str) -> Any:
    """Download (once) and open Parquet files with a column ``image``, as a ``datasets.Dataset``.

    Raises ``DataError`` with the reason and with ``local_layout``, the local files that work without the hub.
    """
    import datasets

    try:
        rows = datasets.load_dataset("parquet", data_files=url, split="train")
        return rows.cast_column("image", datasets.Image(decode=False))
    except Exception as error:  # the hub, the network, the cache and Parquet each raise their own types
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{url} cannot be read ({reason}); without the hub: {local_layout}") from error


def text_columns(rows: Any) -> Any:
    """The rows without their images, for iteration."""
    return rows.remove_columns("image")
