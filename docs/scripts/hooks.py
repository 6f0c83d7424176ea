"""What mkdocs calls while it builds the site: generated pages, generated parts of pages, and pages the nav forgot."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

_MARKER = re.compile(r"^( *)<!-- generated: ([\w-]+)(?: ([^\s]+))? -->$", re.MULTILINE)
_OPEN_SECTIONS = {"Guides": "guides", "Suites": "suites"}
"""Sections of the nav that take every page of a folder: adding a page is adding a file."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Complete the nav with the pages of a folder that it does not name."""
    for entry in config.nav or []:
        for title, listed in entry.items():
            if title in _OPEN_SECTIONS:
                folder = _OPEN_SECTIONS[title]
                there = [
                    f"{folder}/{path.name}" for path in sorted(Path(config.docs_dir, folder).glob("*.md"))
                ]
                made = [name for name in pages.PAGES if name.startswith(f"{folder}/")]
                known = {
                    page for item in listed for page in (item.values() if isinstance(item, dict) else [item])
                }
                listed.extend(name for name in dict.fromkeys([*made, *there]) if name not in known)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are written from the code."""
    for name, write in pages.PAGES.items():
        files.append(File.generated(config, name, content=write()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill ``<!-- generated: NAME [ARGUMENT] -->`` with what ``pages.PARTS`` writes."""

    def fill(found: re.Match[str]) -> str:
        indent, name, argument = found.groups()
        if name not in pages.PARTS:
            raise PluginError(f"no generated part {name!r}; allowed: {', '.join(pages.PARTS)}")
        return textwrap.indent(pages.PARTS[name](*filter(None, [argument])), indent)

    return _MARKER.sub(fill, markdown)
