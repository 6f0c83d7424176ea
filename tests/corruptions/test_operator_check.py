"""``check-operator`` passes what keeps the contract and names what does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mafs_bench.corruptions.operator_check import check_operator, find_levels
from mafs_bench.errors import AdapterError, UnknownNameError, UsageError

GOOD = """
import numpy as np
from mafs_bench.corruptions.base import ImageOperator

def sample(rng, size, levels):
    return rng.permutation(size[0])

def apply(image, draws, params):
    out = image.copy()
    out[draws[: 3 * params["severity"]]] = 0
    return out

stripes = ImageOperator(sample, apply)
"""
BROKEN = {
    "keeps shape and dtype": "lambda image, draws, params: image[:-1].copy()",
    "leaves its input alone": "lambda image, draws, params: np.negative(image, out=image)",
    "same key, same bytes": "lambda image, draws, params: image ^ np.uint8(1 + next(counter) % 100)",
    "every severity changes an image": "lambda image, draws, params: image.copy()",
    "takes flat images": "lambda image, draws, params: 255 - image if image.std() else 1 / 0",
}


def failed(findings: list) -> dict[str, str]:
    return {finding.rule: finding.seen for finding in findings if not finding.holds}


def write(folder: Path, code: str) -> str:
    path = folder / "mine.py"
    path.write_text(code)
    return str(path)


def test_a_sound_operator_passes(tmp_path: Path) -> None:
    findings = check_operator(write(tmp_path, GOOD) + ":stripes")
    assert len(findings) == 6
    assert failed(findings) == {}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_named(tmp_path: Path, rule: str) -> None:
    code = f"""
import itertools
import numpy as np
from mafs_bench.corruptions.base import ImageOperator
counter = itertools.count()
mine = ImageOperator(lambda rng, size, levels: None, {BROKEN[rule]})
"""
    assert rule in failed(check_operator(write(tmp_path, code) + ":mine"))


def test_what_is_no_operator_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD)
    with pytest.raises(UsageError, match="ImageOperator"):
        check_operator(file + ":sample")
    with pytest.raises(UnknownNameError, match="stripes"):
        check_operator(file + ":stripe")
    with pytest.raises(AdapterError, match="no such file"):
        check_operator(str(tmp_path / "none.py") + ":x")


def test_levels_come_from_the_suite() -> None:
    assert find_levels("gaussian_noise", "core@1")[0] == {"scale": 0.08}
    with pytest.raises(UnknownNameError, match="fog"):
        find_levels("frog", "imagenet-c@1")


def test_command(tmp_path: Path) -> None:
    from mafs_bench.cli import app

    good = CliRunner().invoke(app, ["check-operator", write(tmp_path, GOOD) + ":stripes"])
    assert good.exit_code == 0
    assert good.output.count("ok  ") == 6
    registered = CliRunner().invoke(app, ["check-operator", "keyboard", "--suite", "core@1"])
    assert registered.exit_code == 0, registered.output
    file = write(tmp_path, GOOD.replace("image.copy()", "image"))
    bad = CliRunner().invoke(app, ["check-operator", file + ":stripes"])
    assert bad.exit_code == 1
    assert "FAIL leaves its input alone: severity 1 writes into its input" in bad.output
