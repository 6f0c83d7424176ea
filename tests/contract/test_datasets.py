"""Every registered data set: its loader's signature, its one line for the listing, and what a load must give."""

import inspect

import pytest

from mafs_bench.datasets import DATASETS
from mafs_bench.datasets.resolve import resolve
from mafs_bench.errors import MafsBenchError


@pytest.fixture(params=DATASETS.names())
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_loader_keeps_the_contract(name: str) -> None:
    parameters = inspect.signature(DATASETS.get(name)).parameters
    assert list(parameters) == ["variant", "split", "root", "limit"]
    assert parameters["root"].kind is parameters["limit"].kind is inspect.Parameter.KEYWORD_ONLY
    assert parameters["root"].default is parameters["limit"].default is None


def test_refuses_an_unknown_variant_and_split_in_one_line(name: str) -> None:
    for spec, split in ((f"{name}:no-such-variant", None), (name, "no-such-split")):
        with pytest.raises(MafsBenchError) as raised:
            resolve(spec, split, limit=2)
        assert "\n" not in str(raised.value)


def test_a_load_is_whole() -> None:
    data = resolve("scenes", limit=3)
    assert len(data.samples) == 3
    assert all((data.name, data.split, data.revision, data.licence, data.citation, data.domain))
    assert len({sample.id for sample in data.samples}) == 3
    for sample in data.samples:
        image = sample.image.load()
        assert (image.dtype, image.shape[2]) == ("uint8", 3)
        assert sample.captions
        assert sample.questions
