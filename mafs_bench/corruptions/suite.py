"""Suites: find, parse, validate and hash the TOML files that define the benchmark.

A block ``[corruptions.NAME]`` gives the operator, what it belongs to, and under ``levels`` five values a
parameter, one a severity. ``NAME@N`` is looked for among the published suites; a path to a TOML file is read
as it is. ``extends = "NAME@N"`` takes over all blocks of a published suite, and its frame unless another is given.
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from mafs_bench.errors import SuiteError, UnknownNameError, UsageError
from mafs_bench.types import SEVERITIES, Corruption, Modality, RunSpec

_MODALITIES = get_args(Modality)
_KEYS = {
    "operator",
    "modality",
    "family",
    "aliases",
    "unit",
    "source",
    "monotone",
    "meaning_changing",
    "levels",
}
CLEAN_ONLY = "clean"
"""What a request for no corruption at all is."""
JOINT = "joint:"
"""What a request for two corruptions at once begins with."""

_RANGES = {
    "rate": (0, 1),
    "image_rate": (0, 1),
    "word_rate": (0, 1),
    "share": (0, 1),
    "amount": (0, 1),
    "quality": (0, 100),
    "sentences": (0, 12),
    **dict.fromkeys(("photons", "sigma", "radius", "factor", "scale", "words", "rank"), (0, math.inf)),
}
"""What parameters of these names may be: above the first, at most the second number."""

_TOP_KEYS = ("name", "version", "description", "extends", "frame", "corruptions")
_NATIVE = "native"
_FRAMES = (64, 4096)
_REQUIRED = {"operator", "modality", "family", "levels"}


@dataclass(frozen=True)
class Suite:
    """A parsed suite: ``id`` is ``name@version``, ``digest`` the SHA-256 of its file."""

    id: str
    digest: str
    description: str
    corruptions: Mapping[str, Corruption]
    frame: int | None = None
    """Pixels of the shorter side to which every image is resized first, clean ones too; None: images stay native."""

    def select(self, request: str) -> tuple[Corruption, ...]:
        """Resolve what ``--corruption`` takes: names, aliases, families, modalities, ``all``, a comma list.

        Raises ``UnknownNameError`` with close matches.
        """
        chosen: dict[str, Corruption] = {}
        for part in filter(None, (piece.strip() for piece in request.split(","))):
            for corruption in self._matching(part):
                chosen[corruption.name] = corruption
        if not chosen:
            raise UnknownNameError("corruption", request, self._names())
        return tuple(chosen.values())

    def joint(self, request: str) -> tuple[Corruption, Corruption]:
        """Resolve ``joint:A+B``: an image and a text corruption, in that order, for one grid of severities.

        Raises ``UsageError``, or ``UnknownNameError`` with close matches.
        """
        names = request.removeprefix(JOINT).split("+")
        found = [corruption for name in names for corruption in self._matching(name.strip())]
        image = [corruption for corruption in found if corruption.modality == "image"]
        text = [corruption for corruption in found if corruption.modality == "text"]
        if len(names) != 2 or len(found) != 2 or len(image) != 1 or len(text) != 1:
            kinds = ", ".join(f"{corruption.name} ({corruption.modality})" for corruption in found)
            raise UsageError(
                f"{request!r} names {kinds}; allowed: joint:A+B, one image and one text corruption"
            )
        return image[0], text[0]

    def _matching(self, word: str) -> list[Corruption]:
        entries = list(self.corruptions.values())
        if word == "all":
            return entries
        if word in self.corruptions:
            return [self.corruptions[word]]
        found = [c for c in entries if word in c.aliases] or [
            c for c in entries if word in (c.family, c.modality)
        ]
        if not found:
            raise UnknownNameError(f"corruption of {self.id}", word, self._names())
        return found

    def _names(self) -> set[str]:
        return {
            "all",
            *(name for c in self.corruptions.values() for name in (c.name, c.family, c.modality, *c.aliases)),
        }


def data_folder(name: str) -> Path:
    """The folder ``corruptions`` or ``leaderboards``: in the repository, else in the installed wheel."""
    package = Path(str(resources.files("mafs_bench")))
    packed = package / "_data" / name
    return packed if packed.is_dir() else package.parent / name


def is_installed(folder: Path) -> bool:
    """Whether a folder of ``data_folder`` is a copy inside an installed package."""
    return folder.parent.name == "_data"


def published() -> tuple[str, ...]:
    """The ids of the suites that ship with the project, sorted."""
    return tuple(sorted(file.stem for file in data_folder("corruptions").glob("*@*.toml")))


def load(reference: str) -> Suite:
    """Read ``name@N``, ``name`` (its newest version) or a path to a TOML file.

    A user's file is checked against what its operators declare and read; published ones are tested. Raises
    ``UnknownNameError`` or ``SuiteError``.
    """
    if reference.endswith(".toml"):
        from mafs_bench.corruptions.parameters import require_ranges

        suite = parse(Path(reference))
        require_ranges(tuple(suite.corruptions.values()))
        return suite
    ids = published()
    if reference in ids:
        return parse(data_folder("corruptions") / f"{reference}.toml")
    versions = [suite for suite in ids if suite.rpartition("@")[0] == reference]
    if not versions:
        raise UnknownNameError("suite", reference, ids)
    newest = max(versions, key=lambda suite: int(suite.rpartition("@")[2]))
    return parse(data_folder("corruptions") / f"{newest}.toml")


def suite_of(spec: RunSpec) -> Suite:
    """The suite that a run was made with: a published one, or the user's file that the record names.

    Raises ``UnknownNameError`` for a published suite that this version does not have, ``SuiteError`` for a file that is
    gone or has changed since.
    """
    if not spec.suite_file:
        return load(spec.suite)
    if not Path(spec.suite_file).is_file():
        raise SuiteError(
            f"{spec.suite_file}: the file of suite {spec.suite}, of which this run is, is not there"
        )
    found = parse(Path(spec.suite_file))
    if found.digest != spec.suite_hash:
        raise SuiteError(
            f"{spec.suite_file} has changed since this run was made with it (SHA-256 {spec.suite_hash[:12]} then, "
            f"{found.digest[:12]} now); restore the file, or run again"
        )
    return found


def parse(path: Path) -> Suite:
    """Read and validate one file. Raises ``SuiteError`` naming file, key, value and what is allowed."""
    try:
        raw = path.read_bytes().replace(b"\r\n", b"\n")
        table = tomllib.loads(raw.decode())
    except (OSError, RecursionError, ValueError) as error:
        raise SuiteError(f"{path}: {error}") from error
    name, version = table.get("name"), table.get("version")
    if not isinstance(name, str) or not name:
        raise SuiteError(f"{path}: name = {name!r}; allowed: a non-empty string")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise SuiteError(f"{path}: version = {version!r}; allowed: a whole number from 1")
    base = _base(path, table.get("extends"))
    blocks = table.get("corruptions", {} if base else None)
    if not isinstance(blocks, dict) or not (blocks or base):
        raise SuiteError(f"{path}: corruptions = {blocks!r}; allowed: at least one [corruptions.NAME] block")
    _refuse_unknown(path, "", set(table) - set(_TOP_KEYS), _TOP_KEYS)
    suite = f"{name}@{version}"
    corruptions = {key: _corruption(path, suite, key, block) for key, block in blocks.items()}
    description = str(table.get("description", ""))
    if base is None:
        digest = hashlib.sha256(raw).hexdigest()
        return Suite(suite, digest, description, corruptions, _frame(path, table.get("frame", _NATIVE)))
    digest = hashlib.sha256(raw + base.digest.encode()).hexdigest()
    taken = {key: replace(corruption, suite=suite) for key, corruption in base.corruptions.items()}
    frame = _frame(path, table["frame"]) if "frame" in table else base.frame
    return Suite(suite, digest, description, {**taken, **corruptions}, frame)


def _base(path: Path, name: Any) -> Suite | None:
    """The published suite that a file extends."""
    if name is None:
        return None
    if name not in published() or name == path.stem:
        raise SuiteError(f"{path}: extends = {name!r}; allowed: {', '.join(published())}")
    return load(name)


def _frame(path: Path, value: Any) -> int | None:
    if value == _NATIVE:
        return None
    low, high = _FRAMES
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise SuiteError(
            f'{path}: frame = {value!r}; allowed: a whole number from {low} to {high}, or "{_NATIVE}"'
        )
    return value


def _corruption(path: Path, suite: str, name: str, block: Any) -> Corruption:
    where = f"corruptions.{name}"
    if not isinstance(block, dict):
        raise SuiteError(f"{path}: {where} = {block!r}; allowed: a table")
    _refuse_unknown(path, where + ".", set(block) - _KEYS, _KEYS)
    for key in sorted(_REQUIRED - set(block)):
        raise SuiteError(f"{path}: {where}.{key} is missing")
    for key in ("operator", "family", "unit", "source"):
        if key in block and not isinstance(block[key], str):
            raise SuiteError(f"{path}: {where}.{key} = {block[key]!r}; allowed: a string")
    for key in ("monotone", "meaning_changing"):
        if key in block and not isinstance(block[key], bool):
            raise SuiteError(f"{path}: {where}.{key} = {block[key]!r}; allowed: true or false")
    if block["modality"] not in _MODALITIES:
        raise SuiteError(
            f"{path}: {where}.modality = {block['modality']!r}; allowed: {', '.join(_MODALITIES)}"
        )
    aliases = block.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        raise SuiteError(f"{path}: {where}.aliases = {aliases!r}; allowed: a list of strings")
    return Corruption(
        suite=suite,
        name=name,
        operator=block["operator"],
        modality=block["modality"],
        family=block["family"],
        levels=_levels(path, where, block["levels"]),
        aliases=tuple(aliases),
        unit=block.get("unit", ""),
        source=block.get("source", ""),
        monotone=block.get("monotone", True),
        meaning_changing=block.get("meaning_changing", False),
    )


def _levels(path: Path, where: str, columns: Any) -> tuple[Mapping[str, Any], ...]:
    """Turn five values per parameter into five parameter sets; one value each where there is one severity only."""
    if not isinstance(columns, dict) or not columns:
        raise SuiteError(
            f"{path}: {where}.levels = {columns!r}; allowed: five values per parameter, or one each"
        )
    first = next(iter(columns.values()))
    count = 1 if isinstance(first, list) and len(first) == 1 else len(SEVERITIES)
    for key, values in columns.items():
        if not isinstance(values, list) or len(values) != count:
            wanted = "one value, as the others have" if count == 1 else "five values"
            raise SuiteError(f"{path}: {where}.levels.{key} = {values!r}; allowed: a list of {wanted}")
        _check_values(path, f"{where}.levels.{key}", key, values)
    return tuple({key: values[i] for key, values in columns.items()} for i in range(count))


def _check_values(path: Path, where: str, key: str, values: list[Any]) -> None:
    """Refuse values of mixed or other kinds, and numbers out of range."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    other = any(all(isinstance(value, kind) for value in values) for kind in (str, bool))
    if not numbers and (key in _RANGES or not other):
        kinds = "numbers" if key in _RANGES else "numbers, strings or true and false"
        raise SuiteError(f"{path}: {where} = {values!r}; allowed: five {kinds}")
    low, high = _RANGES.get(key, (-math.inf, math.inf))
    for value in values if numbers else ():
        if not (math.isfinite(value) and low < value <= high):
            raise SuiteError(f"{path}: {where} has {value!r}; allowed: {_describe(low, high)}")


def _describe(low: float, high: float) -> str:
    if math.isinf(low):
        return "finite numbers"
    return f"above {low}" if math.isinf(high) else f"above {low}, at most {high}"


def _refuse_unknown(path: Path, where: str, unknown: Iterable[str], allowed: Iterable[str]) -> None:
    for key in sorted(unknown):
        raise SuiteError(f"{path}: {UnknownNameError('key', where + key, (where + k for k in allowed))}")


def main() -> None:
    """Print the digest of every published suite, as ``corruptions/CHANGELOG.md`` records it."""
    for suite in published():
        print(f"| `{suite}` | `{load(suite).digest}` |")


if __name__ == "__main__":
    main()
