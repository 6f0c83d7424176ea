"""What every image corruption of the published suites must keep, whoever wrote it.

Run as a program, this file stores the golden cells anew.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mafs_bench.corruptions import OPERATORS
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.base import ImageOperator
from mafs_bench.corruptions.engine import corrupt_image
from mafs_bench.corruptions.operator_check import check_operator, example_image
from mafs_bench.errors import DataError
from mafs_bench.types import Corruption, Image

GOLDEN = Path(__file__).parents[1] / "golden" / "image_cells.json"
ONE = {c.name: c for c in suites.load("core@1").corruptions.values() if c.modality == "image"}
TWO = {f"{c.name}@2": c for c in suites.load("core@2").corruptions.values() if c.modality == "image"}
CORE = {**ONE, **TWO}
EXACT = {
    "impulse_noise", "shot_noise", "frost", "brightness", "contrast", "pixelate", "colour_cast", "occlusion",
    "image_patch_dropout",
}  # fmt: skip
"""No codec and no compiled floating-point sum in it: the same bytes on every machine."""
TOLERANCE = 0.75
"""Grey levels by which a block's mean may differ where codecs or vector instructions do."""


def cells(
    name: str, image: Image, sample_id: str = "a", severities: tuple[int, ...] | None = None
) -> list[Image]:
    asked = CORE[name].severities if severities is None else severities
    return corrupt_image(image, CORE[name], asked, seed=0, sample_id=sample_id)


def digest(images: list[Image]) -> str:
    return hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()


def digests(names: list[str]) -> dict[str, str]:
    """The content hash of each corruption's five cells; also runs in worker processes."""
    return {name: digest(cells(name, example_image(50, 41))) for name in names}


def block_means(image: Image) -> list[float]:
    """The mean of 4 x 4 blocks, channel by channel."""
    small = cv2.resize(image.astype(np.float32), (4, 4), interpolation=cv2.INTER_AREA)
    return [round(float(value), 2) for value in small.reshape(-1)]


@pytest.mark.parametrize("name", CORE)
def test_contract(name: str) -> None:
    findings = check_operator(CORE[name].operator, CORE[name].levels)
    assert {finding.rule: finding.seen for finding in findings if not finding.holds} == {}


def test_every_registered_image_operator_is_in_core() -> None:
    """But for ``stylize``, which needs weights."""
    registered = {name for name in OPERATORS.entries if isinstance(OPERATORS.get(name), ImageOperator)}
    assert registered == {corruption.operator for corruption in CORE.values()} | {"stylize"}


def test_core_2_changes_no_name_or_family_of_core_1() -> None:
    two = {corruption.name: corruption.family for corruption in TWO.values()}
    assert {name: two[name] for name in ONE} == {name: corruption.family for name, corruption in ONE.items()}


@settings(max_examples=6, deadline=None)
@given(height=st.integers(32, 90), width=st.integers(32, 90), seed=st.integers(0, 2**31))
@pytest.mark.parametrize("name", CORE)
def test_any_size_and_content(name: str, height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image[: height // 2] = image[0, 0]
    before = image.copy()
    severities = (1, CORE[name].severities[-1])
    for out in corrupt_image(image, CORE[name], severities, seed=seed, sample_id="h"):
        assert out.shape == (height, width, 3)
        assert out.dtype == np.uint8
    assert np.array_equal(image, before)


@pytest.mark.parametrize("name", CORE)
def test_severity_zero_is_the_identity(name: str) -> None:
    image = example_image(40, 60)
    assert np.array_equal(cells(name, image, severities=(0,))[0], image)


@pytest.mark.parametrize("name", CORE)
def test_views_and_read_only_input(name: str) -> None:
    """A cropped, mirrored, read-only view gives what its copy gives."""
    view = example_image(80, 100)[5:65, ::-1][:, 10:80]
    view.flags.writeable = False
    assert digest(cells(name, view)) == digest(cells(name, view.copy()))


@pytest.mark.parametrize("name", CORE)
def test_a_severity_alone_gives_what_all_five_give(name: str) -> None:
    image = example_image(50, 41)
    together = cells(name, image)
    for severity in {5, 2} & set(CORE[name].severities):
        assert np.array_equal(cells(name, image, severities=(severity,))[0], together[severity - 1])


def test_keys_differ_by_sample_seed_corruption_and_suite() -> None:
    image, corruption = example_image(40, 40), CORE["gaussian_noise"]
    other_suite = suites.load("imagenet-c@1").corruptions["gaussian_noise"]
    outs = [
        corrupt_image(image, corruption, (3,), seed=0, sample_id="a"),
        corrupt_image(image, corruption, (3,), seed=0, sample_id="b"),
        corrupt_image(image, corruption, (3,), seed=1, sample_id="a"),
        corrupt_image(image, other_suite, (3,), seed=0, sample_id="a"),
    ]
    assert len({digest(out) for out in outs}) == 4


def test_same_bytes_in_threads() -> None:
    alone = digests(list(CORE))
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(lambda name: (name, digests([name])[name]), [*CORE, *reversed(CORE)]))
    assert all(alone[name] == found for name, found in threaded)


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_same_bytes_in_processes(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "4321")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        found = pool.submit(digests, list(reversed(CORE))).result(timeout=120)
    assert found == digests(list(CORE))


def pictures() -> list[Image]:
    return [np.ascontiguousarray(np.rot90(example_image(120, 96), k)) for k in range(4)]


@pytest.mark.parametrize("name", [name for name, c in CORE.items() if c.monotone and len(c.levels) > 1])
def test_distance_does_not_fall_where_declared_monotone(name: str) -> None:
    distances = np.array([
        [np.abs(out.astype(int) - image).mean() for out in cells(name, image, str(i))]
        for i, image in enumerate(pictures())
    ])  # fmt: skip
    mean = distances.mean(axis=0)
    assert (np.diff(mean) >= 0).all(), mean


@pytest.mark.parametrize("name", ONE)
def test_golden_cells(name: str) -> None:
    goldens = json.loads(GOLDEN.read_text())
    stored = goldens.get(f"{name} (OpenCV {cv2.__version__.partition('.')[0]})", goldens[name])
    for severity, (expected, out) in enumerate(
        zip(stored, cells(name, example_image(64, 64)), strict=True), 1
    ):
        same = digest([out]) == expected["sha256"]
        if name in EXACT:
            assert same, f"severity {severity}"
        else:
            apart = np.abs(np.subtract(block_means(out), expected["blocks"])).max()
            assert same or apart <= TOLERANCE, f"severity {severity}: {apart} grey levels apart"


@pytest.mark.parametrize("image", [
    np.zeros((31, 40, 3), np.uint8), np.zeros((1, 1, 3), np.uint8), np.zeros((40, 40), np.uint8),
    np.zeros((40, 40, 4), np.uint8), np.zeros((40, 40, 3), np.float32), np.zeros((40, 40, 3), np.uint16),
])  # fmt: skip
def test_what_is_no_picture_is_refused_in_one_line(image: Image) -> None:
    with pytest.raises(DataError, match=r"photo 7: .* allowed: ") as caught:
        corrupt_image(image, CORE["fog"], (1,), seed=0, sample_id="photo 7")
    assert "\n" not in str(caught.value)


def store_golden_cells() -> None:
    def describe(corruption: Corruption) -> list[dict[str, object]]:
        outs = cells(corruption.name, example_image(64, 64))
        return [{"sha256": digest([out]), "blocks": block_means(out)} for out in outs]

    found = {name: describe(corruption) for name, corruption in ONE.items()}
    kept = {name: cell for name, cell in json.loads(GOLDEN.read_text()).items() if name not in found}
    rows = [f'"{name}": {json.dumps(cell)}' for name, cell in (found | kept).items()]
    GOLDEN.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    store_golden_cells()
