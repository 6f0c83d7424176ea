"""The arithmetic of arXiv 2212.08044 as printed."""

from mafs_bench.report.paper import AGREES, DISAGREES, ROUNDED, Published, load_published, paper_table


def test_every_printed_mmi_is_recomputed():
    published = load_published()
    assert len(published) == 17
    verdicts = {(p.task, p.dataset, p.model, p.modality): p.verdict for p in published}
    assert verdicts.pop(("captioning", "COCO", "BLIP", "image")) == ROUNDED  # 30.16 % printed as 30.1
    assert set(verdicts.values()) == {AGREES}


def test_a_wrong_number_is_listed():
    wrong = Published("retrieval", "COCO", "BLIP", "text", 516.6, 482.3, 7.6)
    assert wrong.verdict == DISAGREES
    table = paper_table([*load_published(), wrong])
    assert table.rows[-1][-1] == DISAGREES
    assert "18 printed MMI recomputed; 1 cannot come from the printed scores; BLIP on COCO" in table.notes[-1]


def test_rounding_is_allowed_for_and_no_more():
    low, high = Published("", "", "", "", 133.3, 93.1, 30.1).possible
    assert low < 30.1 < 30.16 < high
    assert Published("", "", "", "", 133.3, 93.1, 29.9).verdict == DISAGREES
