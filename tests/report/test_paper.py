"""The arithmetic of arXiv 2212.08044 as printed."""

import pytest

from mafs_bench.errors import DataError
from mafs_bench.report.paper import (
    AGREES,
    DISAGREES,
    ROUNDED,
    Perturbed,
    Published,
    load_published,
    paper_table,
)


def published(clean, average, mmi, cells=()):
    printed = Perturbed(average=average, mmi=mmi, cells=cells)
    return Published(
        task="retrieval", dataset="COCO", model="BLIP", modality="text", clean=clean, printed=printed
    )


def test_every_printed_mmi_is_recomputed():
    rows = load_published()
    assert len(rows) == 17
    verdicts = {(p.task, p.dataset, p.model, p.modality): p.verdict for p in rows}
    assert verdicts.pop(("captioning", "COCO", "BLIP", "image")) == ROUNDED  # 30.16 % printed as 30.1
    assert set(verdicts.values()) == {AGREES}


def test_a_wrong_number_is_listed():
    wrong = published(516.6, 482.3, 7.6)
    assert wrong.verdict == DISAGREES
    table = paper_table([*load_published(), wrong])
    assert table.rows[-1][-1] == DISAGREES
    assert "18 printed MMI recomputed; 1 cannot come from the printed scores; BLIP on COCO" in table.notes[-1]


def test_rounding_is_allowed_for_and_no_more():
    low, high = published(133.3, 93.1, 30.1).possible
    assert low < 30.1 < 30.16 < high
    assert published(133.3, 93.1, 29.9).verdict == DISAGREES


def test_an_average_is_recomputed_from_its_cells():
    assert published(500.0, 450.0, 10.0, (440.0, 460.0)).verdict == AGREES
    assert published(500.0, 450.0, 10.0, (440.0, 460.18)).verdict == ROUNDED
    assert published(500.0, 450.0, 10.0, (440.0, 461.0)).verdict == DISAGREES


def test_cells_of_a_file_of_ones_own_are_shown(tmp_path):
    file = tmp_path / "cells.toml"
    file.write_text(
        'source = "mine"\n[[rows]]\ntask = "retrieval"\ndataset = "COCO"\nmodel = "BLIP"\nclean = 500.0\n'
        "text = { average = 450.0, mmi = 10.0, cells = [440.0, 470.0] }\n"
    )
    table = paper_table(load_published(file))
    assert [column.header for column in table.columns][6] == "average recomputed"
    assert table.rows[0][6] == 455.0
    assert table.rows[0][-1] == DISAGREES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("source = 3", "source"),
        ('source = "x"\nrows = [{task = "a"}]', "rows.0.dataset"),
        ("source = ", "cells.toml: "),
    ],
)
def test_a_file_of_another_layout_is_one_line(tmp_path, text, said):
    file = tmp_path / "cells.toml"
    file.write_text(text)
    with pytest.raises(DataError, match=said) as caught:
        load_published(file)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.toml"):
        load_published(tmp_path / "nowhere.toml")
