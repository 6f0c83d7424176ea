"""Bundles whose per-sample scores are wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from tests.support.bundle_draft import Draft
from tests.support.malformed import malformed


@malformed("scores.parquet: is not a readable Parquet file")
def scores_that_are_not_parquet(draft: Draft) -> None:
    draft.files["scores.parquet"] = b"id,score\n"


@malformed("scores.parquet: is not a readable Parquet file")
def truncated_parquet(draft: Draft) -> None:
    draft.files["scores.parquet"] = draft.files["scores.parquet"][:-100]


@malformed("scores.parquet: is not a readable Parquet file")
def flipped_bytes(draft: Draft) -> None:
    raw = bytearray(draft.files["scores.parquet"])
    raw[8:200] = bytes(192)
    draft.files["scores.parquet"] = bytes(raw)


@malformed("column 'answer' does not belong there")
def unexpected_column(draft: Draft) -> None:
    draft.table(lambda table: table.append_column("answer", pa.array(["x"] * len(table))))


@malformed("column 'group' is missing")
def column_left_out(draft: Draft) -> None:
    draft.table(lambda table: table.drop_columns(["group"]))


@malformed("column 'score' has the type double; allowed: float")
def doubles(draft: Draft) -> None:
    draft.table(lambda t: t.set_column(4, "score", t["score"].cast(pa.float64())))


@malformed("column 'score' has the type string; allowed: float")
def scores_as_text(draft: Draft) -> None:
    draft.table(lambda t: t.set_column(t.column_names.index("score"), "score", t["score"].cast(pa.string())))


@malformed("column 'id' has the type list")
def nested_ids(draft: Draft) -> None:
    draft.table(lambda t: t.set_column(t.column_names.index("id"), "id", pa.array([["a"]] * len(t))))


@malformed("score is NaN in 1 rows; allowed: null")
def nan_score(draft: Draft) -> None:
    def change(table: pa.Table) -> pa.Table:
        scores = table["score"].to_numpy(zero_copy_only=False).copy()
        mask = np.isnan(scores)
        mask[np.flatnonzero(~mask)[0]] = False
        scores[np.flatnonzero(~mask)[0]] = np.nan
        column = pa.array(scores, mask=mask, type=pa.float32())
        return table.set_column(table.column_names.index("score"), "score", column)

    draft.table(change)


@malformed("score is outside [1, 1e+07] in 1 rows: clean/s000")
def infinite_score(draft: Draft) -> None:
    draft.frame(lambda frame: frame.loc.__setitem__((0, "score"), np.inf))


@malformed("score is outside [1, 1e+07]")
def rank_zero(draft: Draft) -> None:
    draft.frame(lambda frame: frame.loc.__setitem__((0, "score"), 0.0))


@malformed("score is not a whole number")
def half_a_rank(draft: Draft) -> None:
    draft.frame(lambda frame: frame.loc.__setitem__((0, "score"), 1.5))


@malformed("id is null in 1 rows")
def sample_without_id(draft: Draft) -> None:
    draft.frame(lambda frame: frame.loc.__setitem__((0, "id"), None))


@malformed("a text of more than 200 characters")
def huge_id(draft: Draft) -> None:
    draft.frame(lambda frame: frame.loc.__setitem__((0, "id"), "x" * 100_000))


@malformed("scores.parquet keyboard-5: sample ids missing")
def sample_left_out(draft: Draft) -> None:
    draft.frame(lambda frame: frame.iloc[:-1])


@malformed("scores.parquet: has 631 rows; the board has 630")
def sample_twice(draft: Draft) -> None:
    draft.frame(lambda frame: pd.concat([frame, frame.iloc[-1:]]))


@malformed("scores.parquet keyboard-5: sample ids that are not on the board")
def invented_sample(draft: Draft) -> None:
    draft.frame(lambda frame: frame.loc.__setitem__((frame.index[-1], "id"), "s999"))


@malformed("scores.parquet keyboard-5: group or direction differs from the board")
def group_changed(draft: Draft) -> None:
    draft.frame(lambda frame: frame.loc.__setitem__((frame.index[-1], "group"), "g000"))


@malformed("scores.parquet keyboard-5: duplicate sample ids")
def sample_in_place_of_another(draft: Draft) -> None:
    draft.frame(lambda frame: pd.concat([frame.iloc[:-1], frame.iloc[-2:-1]]))


@malformed("scores.parquet: 1 scores are given where the corruption cannot apply: keyboard-1")
def score_where_nothing_applies(draft: Draft) -> None:
    draft.frame(lambda frame: frame.assign(score=frame["score"].mask(_keyboard(frame, 1), 1.0)))


@malformed("scores.parquet: 20 scores are null where the board requires one: keyboard-3")
def misses_left_out(draft: Draft) -> None:
    draft.frame(lambda frame: frame.assign(score=frame["score"].mask(_first_scored(frame, 20), np.nan)))


def _keyboard(frame: pd.DataFrame, severity: int) -> pd.Series:
    return (frame["condition"] == f"keyboard-{severity}") & frame["score"].isna()


def _first_scored(frame: pd.DataFrame, n: int) -> pd.Series:
    scored = (frame["condition"] == "keyboard-3") & frame["score"].notna()
    return scored & (scored.cumsum() <= n)


@malformed("scores.parquet: condition missing: keyboard-5")
def condition_left_out_of_scores(draft: Draft) -> None:
    draft.frame(lambda frame: frame[frame["condition"] != "keyboard-5"])


@malformed("scores.parquet: condition missing: clean")
def without_clean(draft: Draft) -> None:
    draft.frame(lambda frame: frame[frame["condition"] != "clean"])


@malformed("scores.parquet: 1 scores are null where the board requires one: clean")
def clean_unscored(draft: Draft) -> None:
    draft.frame(lambda frame: frame.loc.__setitem__((0, "score"), np.nan))


@malformed("scores.parquet clean: sample ids that are not on the board")
def other_samples_everywhere(draft: Draft) -> None:
    draft.frame(lambda frame: frame.assign(id=frame["id"].astype(str).str.replace("s00", "t00")))


@malformed("scores.parquet clean: sample ids missing")
def easy_samples_only(draft: Draft) -> None:
    draft.frame(lambda frame: frame[~frame["group"].isin(["g003"])])
