"""One table in four formats: nothing lost, nothing invented."""

import csv
import io

import pytest

from mafs_bench.errors import UsageError
from mafs_bench.report import tables
from mafs_bench.report.tables import CHANGE, P_VALUE, SCORE, Column, Table
from mafs_bench.types import Estimate

TABLE = Table(
    "Scores & 50 % more",
    (
        Column("model_name"),
        Column("score", SCORE, "R@1, higher is better"),
        Column("d", CHANGE),
        Column("p", P_VALUE),
    ),
    [
        ("a|b", Estimate(0.5, 0.25, 0.75, 100, 3), 0.125, 0.0004),
        ("c", Estimate(None, None, None, 0, 100), float("nan"), None),
        ("d", Estimate(1 / 3, None, None, 1, 0), -0.5, 0.25),
    ],
    ("Unscored is not zero.",),
)


def test_markdown_shows_intervals_and_what_is_missing():
    lines = tables.to_markdown(TABLE).splitlines()
    assert lines[2] == "| model_name | score | d | p |"
    assert lines[3] == "| --- | ---: | ---: | ---: |"
    assert lines[4] == r"| a\|b | 0.500 [0.250, 0.750] | +0.125 | <0.001 |"
    assert lines[5] == "| c | n/a | n/a | n/a |"
    assert lines[6] == "| d | 0.333 [too few] | -0.500 | 0.250 |"
    assert lines[8:] == ["- score: R@1, higher is better", "- Unscored is not zero."]


def test_csv_keeps_full_precision_and_leaves_the_missing_empty():
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(TABLE))))
    assert float(rows[2]["score"]) == 1 / 3
    assert rows[0]["score low"] == "0.25"
    assert rows[0]["score unscored"] == "3"
    assert [rows[1][name] for name in ("score", "score low", "d", "p")] == [""] * 4
    assert float(rows[0]["p"]) == 0.0004


def test_latex_is_booktabs_and_escaped():
    text = tables.to_latex(TABLE)
    assert [rule for rule in (r"\toprule", r"\midrule", r"\bottomrule") if rule in text] != []
    assert r"\begin{tabular}{lrrr}" in text
    assert r"model\_name & score & d & p \\" in text
    assert r"a|b & 0.500 [0.250, 0.750] & +0.125 & $<$0.001 \\" in text
    assert r"\caption{Scores \& 50 \% more. score: R@1, higher is better. Unscored is not zero.}" in text


@pytest.mark.parametrize("suffix", [".md", ".csv", ".tex"])
def test_the_suffix_decides(tmp_path, suffix):
    path = tmp_path / "deep" / f"table{suffix}"
    tables.write_tables([TABLE, TABLE], path)
    once = tables.RENDERERS[suffix](TABLE)
    assert path.read_text() == f"{once}\n{once}"


def test_an_unknown_suffix_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match=r"written as .md, .csv, .tex, not as '.docx'"):
        tables.write_tables([TABLE], tmp_path / "table.docx")
    assert not list(tmp_path.iterdir())


def test_the_terminal_shows_every_cell_and_each_meaning_once(capsys):
    tables.print_tables([TABLE, TABLE])
    shown = capsys.readouterr().out
    for cell in ("a|b", "0.500", "[0.250, 0.750]", "+0.125", "<0.001", "n/a"):
        assert shown.count(cell) >= 2
    assert shown.count("R@1, higher is better") == 1
