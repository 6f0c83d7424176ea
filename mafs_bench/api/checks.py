"""Check a user's model, operator or data set, and write a template of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mafs_bench.errors import UsageError

if TYPE_CHECKING:
    from mafs_bench.adapters.adapter_check import Check
    from mafs_bench.corruptions.operator_check import RuleResult
    from mafs_bench.datasets.dataset_check import SplitCheck


def check_adapter(
    spec: str,
    *,
    dataset: str = "scenes",
    data_root: Path | None = None,
    device: str = "auto",
    precision: str = "fp32",
) -> Iterator[Check]:
    """Test a model on eight samples; yields one result per check. Raises ``MafsBenchError`` if it cannot be loaded."""
    from mafs_bench.adapters.adapter_check import check_adapter as checks
    from mafs_bench.adapters.load import resolve_settings
    from mafs_bench.datasets.resolve import resolve

    return checks(spec, resolve_settings(device, precision), resolve(dataset, root=data_root, limit=8))


def check_operator(operator: str, suite: str | None = None) -> Sequence[RuleResult]:
    """Check a registered operator or ``file.py:attribute`` against the contract.

    suite: the suite from which its parameters are taken; None: ``{"severity": 1}`` to 5. Raises ``MafsBenchError``.
    """
    from mafs_bench.corruptions.operator_check import DEFAULT_LEVELS, find_levels
    from mafs_bench.corruptions.operator_check import check_operator as checks

    return checks(operator, find_levels(operator, suite) if suite else DEFAULT_LEVELS)


def check_dataset(name: str, data_root: Path | None = None, *, decode: bool = False) -> Sequence[SplitCheck]:
    """Count images and texts of every split of a data set; ``decode``: decode every image. Raises ``DataError``."""
    from mafs_bench.datasets.dataset_check import check

    return check(name, data_root, decode_all=decode)


def write_template(file: Path) -> None:
    """Write a commented template of a model, which runs as it is. Raises ``UsageError``."""
    from importlib import resources

    from mafs_bench.files import write_text

    if file.suffix != ".py":
        raise UsageError(f"{file}: allowed: a name that ends in .py")
    if file.exists():
        raise UsageError(f"{file} already exists; choose another name")
    template = (resources.files("mafs_bench.adapters") / "template.py").read_text(encoding="utf-8")
    write_text(file, template.replace("FILE", str(file)))


def failure_in_user_code(error: BaseException) -> str | None:
    """The error in a user's own model or operator, in one line; None if it was not raised there."""
    from mafs_bench.adapters.user_code import failure_in_user_code as failure

    return failure(error)
