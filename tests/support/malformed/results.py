"""Bundles whose results.json is wrong."""

from __future__ import annotations

from tests.support.bundle_draft import Draft
from tests.support.malformed import malformed


@malformed("results.json: 2.metrics.mrr.value: Input should be a finite number")
def nan_in_results(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells[2]["metrics"]["mrr"].update(value=float("nan")))


@malformed("results.json: condition missing: keyboard-5")
def condition_left_out_of_results(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells.pop() and None)


@malformed("results.json: condition there twice: clean")
def condition_twice_in_results(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells.append(cells[0]))


@malformed("results.json: condition not of the board: fog-1")
def extra_condition_in_results(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells.append({**cells[1], "corruption": "fog"}))


@malformed("results.json gaussian_noise-1: t2i_r1 is 0.9; the scores give")
def embellished_aggregate(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells[1]["metrics"]["t2i_r1"].update(value=0.9))


@malformed("the scores give 90, 0")
def wrong_count(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells[1]["metrics"]["mrr"].update(n=5000))


@malformed("t2i_r1 is outside [0, 1]")
def percent_for_share(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells[1]["metrics"]["t2i_r1"].update(value=90.0))


@malformed("unknown metric 'accuracy'")
def unknown_metric(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells[0]["metrics"].update(accuracy=cells[0]["metrics"]["mrr"]))


@malformed("has no t2i_r1")
def primary_metric_left_out(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells[0]["metrics"].pop("t2i_r1") and None)


@malformed("mrr has its interval upside down")
def interval_upside_down(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells[0]["metrics"]["mrr"].update(low=0.9, high=0.1))


@malformed("dataset is 'coco'; the board has 'scenes'")
def cell_of_other_data(draft: Draft) -> None:
    draft.json("results.json", lambda cells: cells[0].update(dataset="coco"))
