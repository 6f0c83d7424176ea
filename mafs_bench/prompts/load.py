"""Read and check prompt files, fill prompts, and cut answers by the file's rules."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mafs_bench.errors import UnknownNameError, UsageError

DEFAULT = "prompts@1"
"""The prompts that are used where none are named."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""The letters of options, in order."""

_CUTS: Mapping[str, Callable[[str], str]] = {
    "strip": str.strip,
    "first_line": lambda text: text.partition("\n")[0],
    "trailing_period": lambda text: text.removesuffix("."),
}
"""The rules by which an answer may be cut."""

_FIELDS: Mapping[str, frozenset[str]] = {
    "vqa": frozenset({"question"}),
    "captioning": frozenset(),
    "context-captioning": frozenset({"context"}),
    "matching": frozenset({"caption"}),
    "multiple-choice": frozenset({"hint", "question", "options"}),
}
"""What each task's ``text`` must hold, each once or more."""

_WORDS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "matching": {"yes": frozenset(), "no": frozenset()},
    "multiple-choice": {"hint": frozenset({"hint"}), "option": frozenset({"letter", "option"})},
}
"""Further strings of a task, with the fields that each must hold."""

_FIELD = re.compile(r"\{(\w+)\}")
_MAX_TOKENS = 4096


@dataclass(frozen=True)
class Prompt:
    """The prompt of one task. words: its further strings (``yes`` and ``no``, ``hint`` and ``option``)."""

    text: str
    cut_rules: tuple[str, ...]
    max_new_tokens: int
    words: Mapping[str, str]

    def fill(self, **fields: str) -> str:
        """The user's message, with each ``{field}`` replaced by its text, which is not looked at again."""
        return fill(self.text, fields)

    def fill_choice(self, question: str, options: Sequence[str], hint: str = "") -> str:
        """The message of a multiple-choice question, its options lettered from A. Raises ``UsageError`` beyond Z."""
        if len(options) > len(LETTERS):
            raise UsageError(f"a question with {len(options)} options; allowed are at most {len(LETTERS)}")
        lines = [
            fill(self.words["option"], {"letter": letter, "option": option})
            for letter, option in zip(LETTERS, options, strict=False)
        ]
        given = fill(self.words["hint"], {"hint": hint}) if hint else ""
        return self.fill(hint=given, question=question, options="".join(lines))

    def cut(self, text: str) -> str:
        """The answer: what was generated, cut by the rules of the file."""
        for rule in self.cut_rules:
            text = _CUTS[rule](text)
        return text


@dataclass(frozen=True)
class Prompts:
    """A prompt file: ``id`` is ``name@version``, ``digest`` the SHA-256 of the file."""

    id: str
    digest: str
    tasks: Mapping[str, Prompt]
    file: str = ""
    """Path of a file of the user's, "" for a published one."""

    def record(self) -> dict[str, str]:
        """What a run's record holds of it (``RunSpec.prompts``)."""
        own = {"file": self.file} if self.file else {}
        return {"name": self.id, "sha256": self.digest, **own}


def fill(template: str, fields: Mapping[str, str]) -> str:
    """Replace each ``{field}`` by its text, in one pass: braces inside a text stay as they are."""
    return _FIELD.sub(lambda match: fields[match[1]], template)


def published() -> tuple[str, ...]:
    """The ids of the prompt files that ship with the project, sorted."""
    folder = resources.files("mafs_bench.prompts")
    return tuple(
        sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))
    )


def load_prompts(reference: str = "") -> Prompts:
    """Read ``prompts@N`` or a TOML file of one's own; "" is the default.

    Raises ``UnknownNameError`` for a name that is not published, ``UsageError`` naming file, key and what is allowed.
    """
    reference = reference or DEFAULT
    if reference.endswith(".toml"):
        path = Path(reference).expanduser()
        try:
            return replace(_parse(path.read_bytes(), str(path)), file=str(path.resolve()))
        except OSError as error:
            raise UsageError(f"--prompts {reference}: {error.strerror}") from error
    if reference not in published():
        raise UnknownNameError("prompt file", reference, [*published(), "FILE.toml"])
    file = resources.files("mafs_bench.prompts") / f"{reference}.toml"
    return _parse(file.read_bytes(), f"{reference}.toml")


def caption_tasks(contexts: Sequence[str], present: Sequence[bool] | npt.NDArray[np.bool_]) -> list[str]:
    """The task of each caption: with a context, also where that is missing and its place in the prompt stays empty."""
    return [
        "context-captioning" if context or not there else "captioning"
        for context, there in zip(contexts, present, strict=True)
    ]


def _parse(raw: bytes, name: str) -> Prompts:
    raw = raw.replace(b"\r\n", b"\n")
    try:
        table = tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name}: {error}") from error
    title, version = table.get("name"), table.get("version")
    if not isinstance(title, str) or not title:
        raise UsageError(f"{name}: name = {title!r}; allowed: a non-empty string")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise UsageError(f"{name}: version = {version!r}; allowed: a whole number from 1")
    known = {"name", "version", "description", *_FIELDS}
    for key in table:
        if key not in known:
            raise UsageError(f"{name}: {UnknownNameError('key', key, known)}")
    for task in _FIELDS:
        if task not in table:
            raise UsageError(f"{name}: there is no [{task}]; a prompt file has {', '.join(_FIELDS)}")
    tasks = {task: _prompt(table[task], task, f"{name}: [{task}]") for task in _FIELDS}
    return Prompts(f"{title}@{version}", hashlib.sha256(raw).hexdigest(), tasks)


def _prompt(block: object, task: str, where: str) -> Prompt:
    further = _WORDS.get(task, {})
    known = {"text", "cut", "max_new_tokens", *further}
    if not isinstance(block, dict):
        raise UsageError(f"{where} is {block!r}; allowed: a table with {', '.join(sorted(known))}")
    for key in block:
        if key not in known:
            raise UsageError(f"{where}: {UnknownNameError('key', str(key), known)}")
    text = _string(block, "text", _FIELDS[task], where)
    words = {key: _string(block, key, fields, where) for key, fields in further.items()}
    if task == "matching" and words["yes"].strip().casefold() == words["no"].strip().casefold():
        raise UsageError(f"{where} yes and no are both {words['yes']!r}; allowed: two words")
    cut, tokens = block.get("cut"), block.get("max_new_tokens")
    if not isinstance(cut, list) or any(rule not in _CUTS for rule in cut):
        raise UsageError(f"{where} cut = {cut!r}; allowed: a list of {', '.join(_CUTS)}")
    if not isinstance(tokens, int) or isinstance(tokens, bool) or not 1 <= tokens <= _MAX_TOKENS:
        raise UsageError(
            f"{where} max_new_tokens = {tokens!r}; allowed: a whole number from 1 to {_MAX_TOKENS}"
        )
    return Prompt(text, tuple(cut), tokens, words)


def _string(block: Mapping[str, object], key: str, fields: frozenset[str], where: str) -> str:
    """A string that holds these fields and no others."""
    value = block.get(key)
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{where} {key} = {value!r}; allowed: a string that is not empty")
    found = set(_FIELD.findall(value))
    if found != fields:
        wanted = ", ".join(f"{{{field}}}" for field in sorted(fields)) or "none"
        raise UsageError(
            f"{where} {key} has the fields {', '.join(sorted(found)) or 'none'}; allowed: {wanted}"
        )
    return value
