"""The page on the quality of rewritten texts, from the marked outputs in ``tests/corruptions/text_marks``.

python docs/scripts/text_quality.py            write docs/suites/text-quality.md
python docs/scripts/text_quality.py --check    fail where it differs from the marks
"""

from __future__ import annotations

import html
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mafs_bench.stats.intervals import korn_graubard

ROOT = Path(__file__).resolve().parents[2]
MARKS = ROOT / "tests" / "corruptions" / "text_marks"
PAGE = ROOT / "docs" / "suites" / "text-quality.md"
SAMPLE = 5_000
"""Captions on which applicability was measured."""

_HEAD = """# Quality of rewritten texts

Corruptions that rewrite a sentence must leave a sentence. For each, 60 captions that it applies to were
drawn by seed from the 25,014 captions of COCO's val2017, corrupted at severities 3 and 5, read one by
one and marked. An output is *bad* where it is no English sentence, or, for corruptions that keep the
meaning, where it says something else than the caption. What the caption gets wrong itself is not
counted. There was one annotator, who knew the suite; no second reader has checked the
marks. They are data in `tests/corruptions/text_marks`, and a test holds the outputs to them, so that a
changed output must be read again.

The rules were tuned on captions of Flickr8k. Where a first reading of 60 led to a change of rules
(`active`, `negation`, `formal`, `antonym`, `colour_swap`), another 60 were drawn and read, with seed 2
or 3; `number_swap` and `spatial_swap` were read with seed 2 alone. The rates are of the last reading.
`active` applies to so few captions that all of them are listed; its rules were changed once after 50 of
them had been read (9 of these were bad), so its rate is not independent of that reading.

*Applies to* is a share of 5,000 captions, drawn by seed. Intervals are Clopper and Pearson's at 95 %.
"""
_BEFORE = """## core@1 on captions drawn alike

`core@1` keeps its bytes, and with them its errors. At severity 5, marked as above:
"""
_FOOT = """## Source

Captions: COCO, `annotations/captions_val2017.json` ([cocodataset.org](https://cocodataset.org)), Creative Commons
Attribution 4.0 (CC BY 4.0); white space joined, and changed as shown. No images are reproduced.
"""


@dataclass(frozen=True)
class Marked:
    """The marked outputs of one operator: rows of the file, and what is known of the draw."""

    suite: str
    name: str
    rows: Sequence[dict[str, object]]
    applicable: int

    def bad(self, severity: int) -> int:
        """How many outputs at a severity are marked as bad."""
        return sum(str(severity) in reasons_of(row) for row in self.rows)

    def rate(self, severity: int) -> str:
        """Bad of all, in percent with its interval."""
        n, bad = len(self.rows), self.bad(severity)
        share = bad / n
        low, high = korn_graubard(share, share * (1 - share) / (n - 1), n, n)
        return f"{bad} of {n}: {share:.1%} ({low:.1%} to {high:.1%})"


def reasons_of(row: dict[str, object]) -> dict[str, str]:
    """Why an output is bad, by severity; empty for a good one."""
    found = row.get("bad", {})
    assert isinstance(found, dict)
    return found


def load() -> list[Marked]:
    """All marked operators, in the order of ``drawn.json``."""
    drawn = json.loads((MARKS / "drawn.json").read_text(encoding="utf-8"))["operators"]
    found = []
    for key, facts in drawn.items():
        suite, name = key.split(":")
        lines = (MARKS / f"{suite}.{name}.jsonl").read_text(encoding="utf-8").splitlines()
        found.append(Marked(suite, name, [json.loads(line) for line in lines], facts["applicable_of_5000"]))
    return found


def page() -> str:
    """The whole page."""
    marked = load()
    now = [one for one in marked if one.suite == "core@2"]
    before = [one for one in marked if one.suite == "core@1"]
    parts = [_HEAD, "## core@2\n", _table(now, (3, 5)), _BEFORE, _table(before, (5,)), "## The outputs\n"]
    parts += [_outputs(one) for one in marked]
    return "\n".join([*parts, _FOOT])


def _table(marked: Sequence[Marked], severities: Sequence[int]) -> str:
    heads = ["Corruption", *(f"Bad at severity {severity}" for severity in severities), "Applies to"]
    lines = [heads, ["---"] * len(heads)]
    for one in marked:
        rates = (one.rate(severity) for severity in severities)
        lines.append([f"`{one.name}`", *rates, f"{one.applicable / SAMPLE:.1%}"])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _outputs(one: Marked) -> str:
    lines = [
        f'<details markdown="0"><summary>{one.suite} {one.name}: {len(one.rows)} captions</summary>',
        "<table>",
    ]
    lines.append("<tr><th>Caption</th><th>Severity</th><th>Output</th><th>Mark</th></tr>")
    for row in one.rows:
        outputs = {
            key.removeprefix("severity_"): text for key, text in row.items() if key.startswith("severity_")
        }
        if len(set(outputs.values())) == 1:
            outputs = {", ".join(outputs): str(row["severity_5"])}
        for severities, text in outputs.items():
            reason = reasons_of(row).get(severities.split(", ")[-1])
            cells = (row["caption"], severities, text, "good" if reason is None else f"bad: {reason}")
            lines.append(
                "<tr>"
                + "".join(f"<td>{html.escape(str(cell), quote=False)}</td>" for cell in cells)
                + "</tr>"
            )
    return "\n".join([*lines, "</table>", "</details>", ""])


def main() -> None:
    """Write the page, or compare it."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
        sys.exit(f"{PAGE.relative_to(ROOT)} differs from the marks; run python docs/scripts/text_quality.py")


if __name__ == "__main__":
    main()
