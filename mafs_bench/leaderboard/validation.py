"""Check a bundle against its board: report all defects, and trust nothing in the bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from mafs_bench.errors import MafsBenchError, SubmissionError
from mafs_bench.leaderboard import patterns, similarity
from mafs_bench.leaderboard.board_rows import check_rows, mask
from mafs_bench.leaderboard.boards import BoardFolder, load_board
from mafs_bench.leaderboard.bundle import CARD, MANIFEST, RESULTS, SCORES, SPEC, Files, read_bundle
from mafs_bench.leaderboard.checks import (
    check_aggregates,
    check_cells,
    check_manifest,
    check_spec,
    compare_inputs,
)
from mafs_bench.leaderboard.findings import Finding, error, flagged, refused, schema_findings
from mafs_bench.leaderboard.pins import Pins, read_pins
from mafs_bench.leaderboard.records import by_condition, check_values, decode
from mafs_bench.leaderboard.schemas import Card, Cell, Manifest, Spec, from_toml
from mafs_bench.leaderboard.submission import Submission, sha256, slug

Parsed = TypeVar("Parsed")


@dataclass(frozen=True)
class Report:
    """All findings, and the submission if it could be read completely. files: the bytes that were checked."""

    findings: tuple[Finding, ...]
    submission: Submission | None
    files: Files = field(default_factory=dict, repr=False)

    @property
    def accepted(self) -> bool:
        """Whether it may become an entry (without a rank if it is ``flagged``)."""
        return self.submission is not None and not refused(self.findings)

    @property
    def flagged(self) -> bool:
        """Whether a maintainer must accept it before it is ranked."""
        return flagged(self.findings)

    @property
    def verdict(self) -> str:
        """The verdict in a few words."""
        if not self.accepted:
            return "refused"
        return "accepted, flagged: not ranked until a maintainer accepts it" if self.flagged else "accepted"


def validate(path: Path, root: Path, replacing: bool = False) -> Report:
    """Check a bundle, zip file or folder; ``replacing``: it corrects the entry with its name.

    The bundle is read once: the report contains exactly the checked bytes. Raises ``SubmissionError`` if there is
    nothing to read, or a board is damaged.
    """
    files, findings = read_bundle(path)
    manifest = _parse(files, MANIFEST, Manifest.model_validate_json, findings)
    board = _find_board(manifest, root, findings)
    if board is None:
        return Report((*findings, *_read_alone(files)), None, files)
    inside = board.holds(path)
    closed = None if inside else board.closed()
    if not board.board.is_open:
        return Report((*findings, error("board.toml", closed or f"{board.name} is not open")), None, files)
    if closed is not None:
        findings.append(error("board.toml", closed))
    pins = read_pins(board)
    submission = _read(files, board, pins, inside, findings)
    if submission is not None:
        findings += check_aggregates(submission, board.board)
        findings += screen(submission, _others(path, board, submission.name, replacing), board, pins)
        if inside and path.name != submission.name:
            findings.append(error(path.name, _misnamed(submission)))
    return Report(tuple(findings), submission, files)


def screen(
    submission: Submission, others: Sequence[Submission], board: BoardFolder, pins: Pins
) -> list[Finding]:
    """Look for copies, derived scores and implausible patterns, in the conditions that are present."""
    labels, task = board.board.conditions, board.board.task
    findings = [finding for other in others for finding in similarity.between(submission, other)]
    findings += similarity.flags_of(submission, others, task, labels)
    if all(len(submission.frames.get(label, ())) == len(pins) for label in labels):
        findings += patterns.within(submission, board.board)
    return [*findings, *compare_inputs(submission, others, pins), *similarity.relatives(submission, others)]


def read_submission(path: Path, board: BoardFolder) -> Submission:
    """Read an accepted submission; everything is checked again except its aggregates, which no board uses.

    On an archive, scores where the board's rows say "not applicable" are left out. Raises ``SubmissionError`` with
    its first defect.
    """
    files, findings = read_bundle(path)
    pins = read_pins(board)
    submission = _read(files, board, pins, True, findings)
    if submission is None or refused(findings):
        first = next(finding for finding in findings if finding.level == "error")
        raise SubmissionError(f"{path}: {first}")
    if submission.name != path.name:
        raise SubmissionError(f"{path}: {_misnamed(submission)}")
    return replace(submission, frames=mask(submission.frames, pins)) if board.board.archive else submission


def _others(path: Path, board: BoardFolder, name: str, replacing: bool) -> list[Submission]:
    left_out = {path.resolve()} | ({(board.path / "submissions" / name).resolve()} if replacing else set())
    return [read_submission(p, board) for p in board.submissions() if p.resolve() not in left_out]


def _misnamed(submission: Submission) -> str:
    return f"the folder of a submission is named after its card: {submission.name}"


def _read_alone(files: Files) -> list[Finding]:
    """Check the files of a bundle whose board is unknown."""
    findings: list[Finding] = []
    _parse(files, SPEC, Spec.model_validate_json, findings)
    _parse(files, CARD, lambda raw: from_toml(Card, raw), findings)
    _parse(files, RESULTS, TypeAdapter(tuple[Cell, ...]).validate_json, findings)
    return findings


def _read(
    files: Files, board: BoardFolder, pins: Pins, inside: bool, findings: list[Finding]
) -> Submission | None:
    """Read all files as far as possible; faults are added to ``findings``.

    inside: it is an entry of the board already.
    """
    manifest = _parse(files, MANIFEST, Manifest.model_validate_json, [])
    if manifest is not None:
        findings += check_manifest(manifest, files)
    spec = _parse(files, SPEC, Spec.model_validate_json, findings)
    card = _parse(files, CARD, lambda raw: from_toml(Card, raw), findings)
    cells = _parse(files, RESULTS, TypeAdapter(tuple[Cell, ...]).validate_json, findings)
    if spec is not None:
        findings += check_spec(spec, board.board)
    if cells is not None:
        findings += check_cells(cells, board.board, pins)
    frames = _read_scores(files, board, pins, inside, findings)
    if frames is None or spec is None or card is None or cells is None or manifest is None:
        return None
    return Submission(slug(card), board.name, sha256(files[MANIFEST]), spec, card, cells, frames)


def _read_scores(
    files: Files, folder: BoardFolder, pins: Pins, inside: bool, findings: list[Finding]
) -> dict[str, pd.DataFrame] | None:
    if SCORES not in files:
        return None
    board = folder.board
    frame, problems = decode(files[SCORES], board.task, len(pins) * len(board.conditions))
    findings += problems
    if frame is None:
        return None
    findings += check_values(frame, board.task)
    labels = [str(label) for label in frame["condition"].unique() if pd.notna(label)]
    frames = by_condition(frame[frame["condition"].isin(board.conditions)], board.task)
    findings += check_rows(labels, frames, board, pins, keeps_extra=inside and board.archive)
    return frames


def _parse(
    files: Files, name: str, parser: Callable[[bytes], Parsed], findings: list[Finding]
) -> Parsed | None:
    """Parse one file; schema faults are added to ``findings``."""
    if name not in files:
        return None
    try:
        return parser(files[name])
    except ValidationError as problem:
        findings += schema_findings(name, problem)
    except (ValueError, RecursionError) as problem:
        findings.append(error(name, f"cannot be read: {problem}"))
    return None


def _find_board(manifest: Manifest | None, root: Path, findings: list[Finding]) -> BoardFolder | None:
    if manifest is None:
        return None
    try:
        return load_board(root, manifest.board)
    except MafsBenchError as problem:
        findings.append(error(MANIFEST, str(problem)))
        return None
