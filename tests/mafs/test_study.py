"""A study's folder belongs to one study, and its test images are not trained on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from mafs_bench.errors import StoreError, UsageError
from mafs_bench.mafs.study import candidates, conditions
from mafs_bench.mafs.study.evaluate import evaluate
from mafs_bench.mafs.study.record import StudyRequest, read_record
from mafs_bench.mafs.study.study_results import read_studies
from mafs_bench.mafs.study.variants import Variant, variants
from mafs_bench.mafs.training import Budget
from tests.support.toy import TOY_ADAPTER, write_toy_folder

BUDGET = Budget(steps=2, batch=16)
HERE = f"{__file__}:"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_folder(tmp_path_factory.mktemp("study") / "toy", n=142)


def two(budget: Budget, tokens: object) -> list[Variant]:
    return [variant for variant in variants(budget) if variant.name in ("mafs", "mean")]


@pytest.fixture(scope="module", autouse=True)
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Two variants under one corruption, in a home of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAFS_BENCH_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(candidates, "variants", two)
        patch.setattr(conditions, "CORRUPTIONS", ("brightness",))
        yield


def asked(toy: Path, **changes: object) -> StudyRequest:
    request = StudyRequest(TOY_ADAPTER, str(toy), "all[0:130]", "all[130:]", seeds=1, severities=(3,))
    return replace(request, **changes)  # type: ignore[arg-type]


def scores(out: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (out / "scores").iterdir()}


@pytest.fixture(scope="module")
def finished(toy: Path, small: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "out"
    evaluate(asked(toy), BUDGET, out, print)
    return out


@pytest.fixture
def study(finished: Path, tmp_path: Path) -> Path:
    """A copy of a finished study."""
    return Path(shutil.copytree(finished, tmp_path / "out"))


def test_nothing_but_the_study_is_left(study: Path) -> None:
    assert {path.name for path in study.iterdir()} == {"scores", "study.json", "weights"}
    assert set(scores(study)) == {"fused-retrieval--clean.parquet", "fused-retrieval--brightness-3.parquet"}
    assert {path.name for path in (study / "weights").iterdir()} == {
        "mafs#0.safetensors",
        "mean#0.safetensors",
    }


def test_the_same_study_goes_on(toy: Path, study: Path) -> None:
    before, cost = scores(study), read_record(study).cost
    (study / ".partial" / "clean").mkdir(parents=True)
    evaluate(asked(toy), BUDGET, study, lambda line: pytest.fail(line))
    assert scores(study) == before
    assert read_record(study).cost == cost != {}
    assert not (study / ".partial").exists(), "nothing of a broken-off study is left"


@pytest.mark.parametrize(
    ("changes", "budget", "differs"),
    [
        ({}, {"steps": 9}, "--steps was 2 there and is 9 now"),
        ({}, {"learning_rate": 0.5}, "budget was"),
        ({"backbone": f"{HERE}Other"}, {}, "--backbone was"),
        ({"seeds": 2}, {}, "--seeds was 1 there and is 2 now"),
        ({"severities": (3, 5)}, {}, "--severity was [3] there and is [3, 5] now"),
        ({"test": "all[131:]"}, {}, "--test was"),
        ({"train": "all[0:129]"}, {}, "--train was"),
        ({"limit": 5}, {}, "--limit was None there and is 5 now"),
        ({"train_limit": 129}, {}, "--train-limit was None there and is 129 now"),
        ({"suite": "imagenet-c@1"}, {}, "suite was"),
    ],
)
def test_other_settings_are_refused_by_name(
    toy: Path, study: Path, changes: dict[str, object], budget: dict[str, float], differs: str
) -> None:
    before = scores(study)
    with pytest.raises(StoreError) as raised:
        evaluate(asked(toy, **changes), replace(BUDGET, **budget), study, lambda line: pytest.fail(line))
    assert differs in str(raised.value)
    assert "choose another --out" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert scores(study) == before


def test_replaced_images_are_refused(toy: Path, study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(toy, tmp_path / "mine"))
    (folder / "images" / "141.png").write_bytes((folder / "images" / "140.png").read_bytes())
    with pytest.raises(StoreError, match=r"also different: training images .*, test images and captions\)"):
        evaluate(asked(folder), BUDGET, study, print)


def test_scores_that_nothing_tells_the_origin_of_are_refused(toy: Path, study: Path) -> None:
    (study / "study.json").unlink()
    with pytest.raises(StoreError, match=r"scores or weights without a study\.json"):
        evaluate(asked(toy), BUDGET, study, print)


def test_a_study_of_another_version_is_refused(toy: Path, study: Path) -> None:
    table = json.loads((study / "study.json").read_text())
    del table["identity"]
    (study / "study.json").write_text(json.dumps(table))
    with pytest.raises(StoreError, match="of another version of mafs-bench"):
        evaluate(asked(toy), BUDGET, study, print)


@pytest.mark.parametrize(
    ("changes", "shared"),
    [
        ({"train": "all", "test": "all"}, "142 of 142"),
        ({"test": "all[129:]"}, "1 of 13"),
        ({"train": "all[0:135]", "limit": 6}, "5 of 6"),
    ],
)
def test_test_images_that_are_trained_on_are_refused(
    toy: Path, tmp_path: Path, changes: dict[str, object], shared: str
) -> None:
    with pytest.raises(UsageError, match=f"{shared} images are also in --train"):
        evaluate(asked(toy, **changes), BUDGET, tmp_path / "out", print)
    assert not (tmp_path / "out").exists()


def test_the_same_image_under_another_name_is_found(toy: Path, tmp_path: Path) -> None:
    folder = write_toy_folder(tmp_path / "mine", n=142)
    (folder / "images" / "141.png").write_bytes((folder / "images" / "000.png").read_bytes())
    with pytest.raises(UsageError, match="1 of 12 images are also in --train"):
        evaluate(asked(folder), BUDGET, tmp_path / "out", print)


def test_damaged_weights_are_trained_again(toy: Path, study: Path) -> None:
    file = study / "weights" / "mafs#0.safetensors"
    right, score = file.read_bytes(), study / "scores" / "fused-retrieval--brightness-3.parquet"
    frame = pd.read_parquet(score)
    file.write_bytes(right[:100])
    score.unlink()
    lines: list[str] = []
    evaluate(asked(toy), BUDGET, study, lines.append)
    assert any("mafs#0.safetensors is damaged" in line for line in lines)
    assert file.read_bytes() == right
    pd.testing.assert_frame_equal(pd.read_parquet(score), frame)


def test_damaged_scores_are_named(study: Path) -> None:
    (study / "scores" / "fused-retrieval--clean.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match=r"clean\.parquet is damaged"):
        read_studies(study)


def test_a_model_that_encodes_nothing_is_refused(toy: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be studied: it is not a dual encoder"):
        evaluate(asked(toy, backbone=f"{HERE}Fuses"), BUDGET, tmp_path / "out", print)


class Other:
    """The toy under another name."""

    def __new__(cls) -> object:
        from tests.support.toy import ToyEncoder

        return ToyEncoder()

    def encode_images(self, images: list) -> None: ...

    def encode_texts(self, texts: list) -> None: ...


class Fuses:
    """Encodes nothing."""

    def caption(self, images: list, contexts: list) -> list[str]:
        return [""] * len(images)
