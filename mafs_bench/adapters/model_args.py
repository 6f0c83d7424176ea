"""``--model-args key=value,…``: further settings of models that load through transformers or answer behind an API."""

from __future__ import annotations

from collections.abc import Mapping

from mafs_bench.errors import UsageError

PRECISION_OF = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
"""What ``dtype`` means as ``--precision``."""


def parse_model_args(given: str | Mapping[str, object]) -> dict[str, str]:
    """Read ``key=value,key=value``, or take a mapping. Which keys there are is the model's business.

    Raises ``UsageError``.
    """
    if not isinstance(given, str):
        return {
            key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in given.items()
        }
    found: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in given.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise UsageError(f"--model-args {part!r}: allowed is key=value,key=value")
        if key.strip() in found:
            raise UsageError(f"--model-args gives {key.strip()} twice")
        found[key.strip()] = value.strip()
    return found


def split_dtype(arguments: Mapping[str, str], precision: str) -> tuple[dict[str, str], str]:
    """Take ``dtype`` out of model arguments: it is another name of ``--precision``. Gives the rest, and the precision.

    Raises ``UsageError`` for another dtype, and where the two contradict each other.
    """
    rest = dict(arguments)
    dtype = rest.pop("dtype", None)
    if dtype is None:
        return rest, precision
    if dtype not in PRECISION_OF:
        raise UsageError(f"--model-args dtype={dtype}: allowed are {', '.join(PRECISION_OF)}")
    if precision not in ("fp32", PRECISION_OF[dtype]):
        raise UsageError(f"--model-args dtype={dtype} and --precision {precision}: give one of them")
    return rest, PRECISION_OF[dtype]
