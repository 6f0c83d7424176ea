"""What a check shows: a table, JUnit XML, a step summary of GitHub Actions."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from mafs_bench.errors import UsageError
from mafs_bench.report.gate import Claim, GateResult, Verdict
from mafs_bench.report.tables import CHANGE, P_VALUE, SCORE, TEXT, Column, Table, to_markdown

_MARKS: Mapping[Verdict, str] = {
    Verdict.PASS: "pass",
    Verdict.REGRESSION: "REGRESSION",
    Verdict.INCONCLUSIVE: "inconclusive",
}


def gate_table(result: GateResult) -> Table:
    """The claims as a table, the outcome in its title."""
    columns = (
        *(Column(name) for name in ("task", "metric", "part")),
        Column("baseline", SCORE),
        Column("model", SCORE),
        Column("change", CHANGE, "above 0: better; paired over samples that both score, 95 % interval"),
        Column(
            "p holds",
            P_VALUE,
            f"one-sided, of not losing {result.margin:g} points: the larger of Student's t and of a bound that adds "
            "one cluster that lost everything; a pass needs every row",
        ),
        Column(
            "p broken",
            P_VALUE,
            f"one-sided, of losing more than {result.margin:g} points; Holm over the rows",
        ),
        Column("verdict"),
        Column("clusters", TEXT, "resampling units (images)"),
    )
    rows = [
        (
            *(c.task, c.metric, c.part, c.old, c.new, c.change, c.p_holds, c.p_broken),
            *(_verdict(c), c.n_clusters),
        )
        for c in result.claims
    ]
    return Table(headline(result), columns, rows, (*_reasons(result), *result.notes))


def headline(result: GateResult) -> str:
    """The outcome in one line."""
    inconclusive = result.verdict is Verdict.INCONCLUSIVE
    other = inconclusive and any(claim.other_inputs for claim in result.claims)
    why = "the same model: " if result.same_model else "other inputs: " if other else ""
    return (
        f"{_MARKS[result.verdict]}: {why}{result.model} against {result.baseline}, "
        f"margin {result.margin:g} points, alpha {result.alpha:g}"
    )


def write_junit(result: GateResult, path: Path) -> None:
    """Write JUnit XML: a test case a claim, a failure for a regression, an error for an open one."""
    count = {verdict: sum(c.verdict is verdict for c in result.claims) for verdict in Verdict}
    suite = ElementTree.Element(
        "testsuite",
        name="mafs-bench check",
        tests=str(len(result.claims)),
        failures=str(count[Verdict.REGRESSION]),
        errors=str(count[Verdict.INCONCLUSIVE]),
    )
    for claim in result.claims:
        name = f"{claim.metric} {claim.part}"
        case = ElementTree.SubElement(suite, "testcase", classname=claim.task, name=name)
        element = {Verdict.REGRESSION: "failure", Verdict.INCONCLUSIVE: "error"}.get(claim.verdict)
        if element:
            ElementTree.SubElement(case, element, message=_message(claim, result))
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def write_step_summary(result: GateResult) -> None:
    """Append the table to the summary of this GitHub Actions step. Raises ``UsageError`` elsewhere."""
    target = os.environ.get("GITHUB_STEP_SUMMARY")
    if not target:
        raise UsageError("--github: GITHUB_STEP_SUMMARY is not set; it is for a step of GitHub Actions")
    with Path(target).open("a", encoding="utf-8") as file:
        file.write(to_markdown(gate_table(result)) + "\n")


def _message(claim: Claim, result: GateResult) -> str:
    change = CHANGE(claim.change)
    if claim.verdict is Verdict.REGRESSION:
        return f"{change}: lost more than the margin of {result.margin:g} points (p = {claim.p_broken:.4f})"
    return f"{change}: {_reason(claim, result.margin)}"


def _verdict(claim: Claim) -> str:
    other = ": other inputs" if claim.verdict is Verdict.INCONCLUSIVE and claim.other_inputs else ""
    return _MARKS[claim.verdict] + other


def _reasons(result: GateResult) -> list[str]:
    """Why each claim is inconclusive, and what would decide it."""
    return [
        f"{claim.task}, {claim.metric}, {claim.part}: {_reason(claim, result.margin)}"
        for claim in result.claims
        if claim.verdict is Verdict.INCONCLUSIVE
    ]


def _reason(claim: Claim, margin: float) -> str:
    if claim.other_inputs:
        cells = f"{claim.other_inputs} cell{'s' if claim.other_inputs > 1 else ''}"
        return f"other inputs in {cells}, so that a change cannot be put down to the model"
    if claim.lost:
        return f"{claim.lost} rows that the baseline scored are unscored, so that no pass is possible"
    if claim.least_margin is not None:
        smallest = f"{math.ceil(claim.least_margin * 100) / 100:g}"
        return f"{_would_decide(claim)}; the smallest margin that {claim.n_clusters} could pass is {smallest} points"
    return _would_decide(claim)


def _would_decide(claim: Claim) -> str:
    if claim.needed is None:
        return f"no number of clusters would decide a change so near to the margin ({claim.n_clusters} here)"
    return f"{claim.n_clusters} clusters do not decide, {claim.needed} would with 80 % power"
