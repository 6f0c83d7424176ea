"""From a spec to an adapter. What a class can do is known before any weight is read.

A spec is ``name``, ``name:argument``, ``path/to/file.py:Class`` or ``path/to/file.py:Class:argument``; and any of
these followed by ``+FUSION`` (``clip+mean``, ``file.py:Class+static``), see ``adapters.fusions``.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from mafs_bench.adapters import ADAPTERS
from mafs_bench.adapters.base import CAPABILITIES, MODEL_OPTIONS, Adapter, Settings
from mafs_bench.adapters.fusions import FUSED, SHORT_NAMES, require_fusion, split_fused
from mafs_bench.adapters.identity import default_weights
from mafs_bench.adapters.object_adapter import build_adapter, capabilities_of_class
from mafs_bench.adapters.user_code import check_signatures, describe, failure_in_user_code
from mafs_bench.adapters.vectors import validated
from mafs_bench.errors import AdapterError, MafsBenchError, ResourceError, UnknownNameError, UsageError
from mafs_bench.registry import is_file_reference

__all__ = [
    "adapter_class",
    "capabilities",
    "load",
    "parse",
    "resolve_device",
    "resolve_settings",
    "validated",
]

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("fp32", "bf16", "fp16")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_USER_FILE = re.compile(r"(?P<name>.*\.py:[^:]+)(?::(?P<argument>.*))?")


def parse(spec: str) -> tuple[str, str]:
    """Split a spec into the name of its class and the argument for it ("" for none).

    A fused model's class is ``FUSED``, and its argument the whole spec.
    """
    if split_fused(spec) is not None:
        return FUSED, spec
    name, _, argument = spec.partition(":")
    file = _USER_FILE.fullmatch(spec)
    if file is not None and name not in ADAPTERS.names():
        return file["name"], file["argument"] or ""
    return name, argument


def adapter_class(spec: str) -> type:
    """Import the class of a spec: registered, of an entry point, or of a user's file.

    Raises ``UnknownNameError``, or ``AdapterError`` for what cannot be imported or has no method of a model.
    """
    name, argument = parse(spec)
    try:
        found = ADAPTERS.get(name)
    except UnknownNameError as error:
        require_fusion(spec, ADAPTERS.names())
        if (hint := _what_it_is(spec)) is not None:
            raise UsageError(hint) from error
        if is_file_reference(name):
            raise
        raise UnknownNameError("model", name, {*ADAPTERS.names(), *SHORT_NAMES}) from error
    except (ImportError, AttributeError) as error:
        raise AdapterError(f"model {name!r} cannot be imported: {error}") from error
    if not isinstance(found, type):
        raise AdapterError(f"{name} is not a class but a {type(found).__name__}")
    cls: type = found.class_of(argument) if issubclass(found, Adapter) else found
    if not capabilities(cls):
        raise AdapterError(
            f"{name} has none of the methods of a model; it needs encode_images and encode_texts, or answer, or "
            f"caption{_misspelt(cls)}"
        )
    check_signatures(cls, name)
    return cls


def capabilities(cls: type) -> frozenset[str]:
    """What a class of models can do, by the names of its methods (``encode_images`` …)."""
    return capabilities_of_class(cls)


def load(spec: str, settings: Settings) -> Adapter:
    """Build the adapter of a spec: by its ``load(argument, settings)``, or by ``Class()`` where it has none.

    A plain class is wrapped in an ``ObjectAdapter``. What a user's class does not say of itself is filled in: its
    spec as the name, the hash of its modules, class and argument as the weights'. TF32 is switched off before.
    Raises what ``adapter_class`` raises, ``UsageError``, and ``AdapterError`` for what a class raises while it is
    built.
    """
    from mafs_bench.adapters.inference import forbid_tf32

    cls = adapter_class(spec)
    name, argument = parse(spec)
    refuse_options(spec, cls, settings)
    forbid_tf32()
    try:
        adapter = build_adapter(cls, argument, settings)
    except MafsBenchError:
        raise
    except Exception as error:
        hint = "" if "load" in vars(cls) else "; a class with arguments needs a 'load(argument, settings)'"
        takes = hint if isinstance(error, TypeError) and failure_in_user_code(error) is None else ""
        raise AdapterError(f"{name} cannot be built: {describe(error)}{takes}") from error
    adapter.name = adapter.name or spec
    adapter.weights = adapter.weights or default_weights(cls, argument)
    if settings.compile:
        _compile(adapter)
    return adapter


def refuse_options(spec: str, cls: type, settings: Settings) -> None:
    """Raise ``UsageError`` for an option that the class does not read."""
    given = [name for name in MODEL_OPTIONS if getattr(settings, name)]
    refused = [name for name in given if name not in options_of(cls)]
    if refused:
        able = ", ".join(option.replace("_", "-") for option in sorted(options_of(cls))) or "none of its kind"
        raise UsageError(f"--{refused[0].replace('_', '-')}: {spec} does not read it (it reads {able})")


def options_of(cls: type) -> frozenset[str]:
    """Which of ``MODEL_OPTIONS`` a class of models reads."""
    return cls.accepts if issubclass(cls, Adapter) else frozenset()


def _what_it_is(spec: str) -> str | None:
    """What a spec that names no model is, and what to type instead; None where it is nothing known."""
    folder = Path(spec).expanduser()
    if folder.is_dir():
        for file, form in (("open_clip_config.json", "clip:local-dir:"), ("config.json", "hf:")):
            if (folder / file).is_file():
                return f"{spec} is a folder with {file}; a model of that kind is --model {form}{spec}"
        return f"{spec} is a folder without a model (no config.json and no open_clip_config.json)"
    if folder.is_file():
        return f"{spec} is a file; a class of it is --model {spec}:ClassName"
    if _REPOSITORY.fullmatch(spec):
        return f"no model {spec!r}; a repository of the Hugging Face hub is --model hf:{spec}"
    return None


def _misspelt(cls: type) -> str:
    """Which of a class's methods look like those that are needed, "" for none."""
    near = {name: difflib.get_close_matches(name, CAPABILITIES, 1, 0.85) for name in vars(cls)}
    pairs = [f"{name} for {close[0]}" for name, close in near.items() if close]
    return f"; it has {' and '.join(pairs)}" if pairs else ""


def _compile(adapter: Adapter) -> None:
    if not adapter.supports("compile"):
        raise UsageError(f"--compile: {adapter.name} has no image encoder of its own that could be compiled")
    try:
        adapter.compile()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ResourceError(f"--compile: {adapter.name}: {type(error).__name__}: {reason}") from error


def resolve_device(asked: str) -> str:
    """Turn ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps`` into a device that is there.

    ``auto`` takes CUDA, else MPS, else the CPU. Raises ``UnknownNameError`` for another name, ``UsageError``
    for a device that this machine does not have.
    """
    import torch

    kind, _, index = asked.partition(":")
    if kind not in DEVICES or (index and not (kind == "cuda" and index.isdecimal())):
        raise UnknownNameError("device", asked, [*DEVICES, "cuda:0"])
    there = {
        "cuda": torch.cuda.is_available() and int(index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if kind == "auto":
        return next(device for device, available in there.items() if available)
    if not there[kind]:
        raise UsageError(
            f"--device {asked}: not available here; allowed: auto, {', '.join(d for d in there if there[d])}"
        )
    return asked


def resolve_settings(
    device: str = "auto",
    precision: str = "fp32",
    batch_size: int = 64,
    compile: bool = False,
    concurrency: int = 16,
) -> Settings:
    """Check how a model is to be run. Raises ``UnknownNameError`` or ``UsageError``."""
    if precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    if batch_size < 1:
        raise UsageError(f"--batch-size must be at least 1, got {batch_size}")
    if concurrency < 1:
        raise UsageError(f"--concurrency must be at least 1, got {concurrency}")
    return Settings(resolve_device(device), precision, batch_size, compile, concurrency=concurrency)
