"""``mafs-bench reproduce`` on real photos in COCO's layout, with a tiny CLIP in place of a public one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mafs_bench.cli import app
from mafs_bench.errors import MafsBenchError

SHARED = Path(__file__).parents[2].parent / "shared"
TINY, COCO = SHARED / "golden" / "clip_tiny", SHARED / "data" / "coco-mini"

pytestmark = pytest.mark.skipif(not (TINY.is_dir() and COCO.is_dir()), reason="the shared folder is not here")


def reproduce(folder: Path, published: tuple[float, float], **roots: Path) -> Result:
    model = f"clip:local-dir:{TINY}"
    numbers = f"t2i_r5 = {published[0]}\ni2t_r5 = {published[1]}\n"
    (folder / "mine.toml").write_text(f'[[rows]]\nmodel = "{model}"\ndataset = "coco"\n{numbers}')
    options = [f"--data-root={name}={root}" for name, root in roots.items()]
    arguments = ["reproduce", str(folder / "mine.toml"), *options, "--out", str(folder / "runs")]
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)


def test_numbers_that_meet_and_numbers_that_differ(tmp_path: Path) -> None:
    first = reproduce(tmp_path, (0.9, 0.9), coco=COCO)
    assert first.exit_code == 1
    assert first.output.count("DIFFERS") == 2
    (results,) = (tmp_path / "runs").glob("*/results.json")
    (clean,) = json.loads(results.read_text())
    assert (clean["task"], clean["corruption"]) == ("retrieval", None)
    ours = tuple(clean["metrics"][name]["value"] for name in ("t2i_r5", "i2t_r5"))
    again = reproduce(tmp_path, (ours[0] + 0.004, ours[1] - 0.006), coco=COCO)
    assert again.exit_code == 1
    assert (again.output.count("meets") - again.output.count("meets:"), again.output.count("DIFFERS")) == (
        1,
        1,
    )
    assert reproduce(tmp_path, ours, coco=COCO).exit_code == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file or directory"),
        ("rows = 3", "allowed: .*rows.* with model, dataset, t2i_r5, i2t_r5"),
        ("[[rows]]\nmodel = 'clip'\ndataset = 'coco'\nt2i_r5 = 'high'\ni2t_r5 = 1", "could not convert"),
        ("rows = [", "Invalid"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "x.toml").write_text(text)
    done = CliRunner().invoke(app, ["reproduce", str(tmp_path / "x.toml"), "--data-root", f"coco={COCO}"])
    assert isinstance(done.exception, MafsBenchError)
    with pytest.raises(MafsBenchError, match=message):
        raise done.exception
