"""From a request to a plan: every name resolved and every refusal known before any weight is read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mafs_bench.adapters.base import DUAL_ENCODER, MODEL_OPTIONS, Adapter, Settings
from mafs_bench.adapters.load import adapter_class, capabilities
from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.pairs import MISMATCHING
from mafs_bench.corruptions.parameters import require_runnable
from mafs_bench.corruptions.suite import CLEAN_ONLY, JOINT, Suite
from mafs_bench.datasets.exclude import require_texts, without
from mafs_bench.datasets.local import require_usable
from mafs_bench.datasets.resolve import resolve, with_language
from mafs_bench.datasets.subset import subset
from mafs_bench.errors import UsageError
from mafs_bench.limits import DEFAULT_SUITE
from mafs_bench.runs.boxes import with_boxes
from mafs_bench.runs.frame import in_frame
from mafs_bench.runs.sizes import refuse_large_images
from mafs_bench.tasks import TASKS, get_task
from mafs_bench.tasks.base import Task
from mafs_bench.types import MAX_PIXELS, SEVERITIES, Condition, Corruption, Dataset, JointCorruption


@dataclass(frozen=True)
class RunRequest:
    """What a user asked for, in their words. ``tasks`` empty: every task that can be done.

    ``clipscore``: the model that judges captions for CLIPScore; "" for none. ``max_pixels``: images of more pixels are
    refused. ``excluded``: ids of samples that no cell uses. ``prompts``, ``model_args``, ``trust_remote_code`` and
    ``first_stage``: as in ``adapters.base.Settings``. ``language``: of the texts; "": what the data set
    states, or what its texts show.
    """

    model: str
    corruption: str
    severity: str = "1-5"
    dataset: str = "scenes"
    split: str | None = None
    data_root: Path | None = None
    tasks: tuple[str, ...] = ()
    suite: str = DEFAULT_SUITE
    seed: int = 0
    limit: int | None = None
    engine: str = "native"
    on_error: str = "fail"
    clipscore: str = ""
    max_pixels: int = MAX_PIXELS
    excluded: tuple[str, ...] = ()
    prompts: str = ""
    model_args: Mapping[str, str] = field(default_factory=dict)
    trust_remote_code: bool = False
    first_stage: str = ""
    language: str = ""

    def settings(self, plain: Settings) -> Settings:
        """How the model is to be run: ``plain``, with what only some models read."""
        return replace(plain, **{name: getattr(self, name) for name in MODEL_OPTIONS})


@dataclass(frozen=True)
class Cell:
    """One task under one condition, with the corruptions that make it: none for clean, two where joint."""

    task: Task
    condition: Condition
    corruptions: tuple[tuple[Corruption, int], ...] = ()

    def severity_of(self, corruption: Corruption) -> int | None:
        """The severity of a corruption in this cell; None where it has no part."""
        return next((s for c, s in self.corruptions if c.name == corruption.name), None)


@dataclass(frozen=True)
class Plan:
    """Cells in the order in which they run, clean first; ``left_out`` says what is not run and why.

    ``skipped``: ids of samples that cannot be used, with the reason; ``dataset`` is without them.
    """

    request: RunRequest
    dataset: Dataset
    suite: Suite
    corruptions: tuple[Corruption, ...]
    severities: tuple[int, ...]
    tasks: tuple[Task, ...]
    cells: tuple[Cell, ...]
    left_out: tuple[str, ...]
    adapter: Adapter | None = None
    """The model, where the caller gave an object in place of a spec."""
    skipped: Mapping[str, str] = field(default_factory=dict)


def parse_severities(text: str) -> tuple[int, ...]:
    """Read ``3``, ``1-5`` or ``1,3,5``. Raises ``UsageError``."""
    chosen: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        first = int(match[1]) if match else 0
        last = int(match[2] or first) if match else 0
        if not match or first not in SEVERITIES or last not in SEVERITIES or last < first:
            raise UsageError(f"severity {text!r}: allowed are 1 to 5, as in 3, 1-5 or 1,3,5")
        chosen |= set(range(first, last + 1))
    return tuple(sorted(chosen))


def make_plan(request: RunRequest, adapter: Adapter | None = None, dataset: Dataset | None = None) -> Plan:
    """Resolve a request. Raises ``UnknownNameError``, ``UsageError``, ``SuiteError`` or ``DataError``.

    adapter, dataset: objects in place of what the request names.
    """
    severities = parse_severities(request.severity)
    _check_options(request)
    suite = suites.load(request.suite)
    joint = suite.joint(request.corruption) if request.corruption.startswith(JOINT) else None
    corruptions = joint or (() if request.corruption == CLEAN_ONLY else suite.select(request.corruption))
    able = adapter.capabilities if adapter is not None else capabilities(adapter_class(request.model))
    require_runnable(corruptions, request.engine)
    asked = {name: get_task(name) for name in request.tasks or TASKS.names()}
    asked = {name: task for name, task in asked.items() if request.tasks or not task.on_request}
    for name in request.tasks:
        if (reason := asked[name].refuse_adapter(able)) is not None:
            raise UsageError(f"{request.model} cannot do {name}: {reason}")
    dataset = (
        _first(dataset, request.limit)
        if dataset is not None
        else resolve(
            request.dataset,
            request.split,
            request.data_root,
            request.limit,
            max_pixels=request.max_pixels,
            keep_unusable=request.on_error == "skip" or bool(request.excluded),
        )
    )
    dataset = with_language(dataset)
    if request.language:
        dataset = replace(dataset, language=request.language)
    dataset = without(dataset, request.excluded)
    if request.on_error == "fail":
        require_usable(dataset)
        refuse_large_images(in_frame(dataset, suite.frame), corruptions)
    left_out: list[str] = []
    tasks: list[Task] = []
    for name, task in asked.items():
        reason = task.refuse_adapter(able) or task.refuse_dataset(dataset)
        if reason is None:
            tasks.append(task)
        elif request.tasks:
            raise UsageError(f"{request.model} cannot do {name} on {dataset.name}: {reason}")
        else:
            left_out.append(f"{name}: {reason}")
    if not tasks:
        raise UsageError(f"{request.model} can do no task on {dataset.name}: {'; '.join(left_out)}")
    if request.on_error == "fail":
        require_texts(dataset)
    if request.clipscore:
        _check_judge(request.clipscore, tasks)
    _require_partners(corruptions, dataset)
    pairs, refused = _applicable(tasks, corruptions, severities)
    if corruptions and not pairs:
        raise UsageError(f"nothing to run: {'; '.join(refused)}")
    return Plan(
        request,
        in_frame(with_boxes(dataset, corruptions), suite.frame),
        suite,
        corruptions,
        severities,
        tuple(tasks),
        (
            *_cells(request, suite, tasks, pairs, severities),
            *(_joint_cells(request, suite, tasks, joint, severities) if joint else ()),
        ),
        tuple(left_out + refused),
        adapter,
    )


def _first(dataset: Dataset, limit: int | None) -> Dataset:
    """The first ``limit`` samples."""
    if limit is None or limit >= len(dataset.samples):
        return dataset
    return subset(dataset, range(limit))


def without_unsupported(plan: Plan, adapter: Adapter) -> tuple[Plan, list[str]]:
    """Leave out the tasks that an adapter's class can do and its weights cannot, with a line for each.

    Raises ``UsageError`` where such a task was asked for by name, or none is left.
    """
    able, reasons = adapter.capabilities, adapter.unsupported
    lines = []
    for task in plan.tasks:
        if task.refuse_adapter(able) is None:
            continue
        needed = (capability for need in task.needs for capability in sorted(need))
        lines.append(f"{task.name}: {next(reasons[name] for name in needed if name in reasons)}")
    kept = tuple(task for task in plan.tasks if task.refuse_adapter(able) is None)
    if lines and (plan.request.tasks or not kept):
        raise UsageError(f"{plan.request.model} cannot do {'; '.join(lines)}")
    if plan.request.clipscore:
        _check_judge(plan.request.clipscore, kept)
    cells = tuple(cell for cell in plan.cells if cell.task in kept)
    return replace(plan, tasks=kept, cells=cells), lines


def _check_judge(judge: str, tasks: Sequence[Task]) -> None:
    if not capabilities(adapter_class(judge)) >= DUAL_ENCODER:
        raise UsageError(
            f"--clipscore {judge}: the model does not implement {' and '.join(sorted(DUAL_ENCODER))}"
        )
    if not any(task.writes_captions for task in tasks):
        names = ", ".join(task.name for task in tasks)
        raise UsageError(f"--clipscore judges captions, and this run writes none (its tasks: {names})")


def _check_options(request: RunRequest) -> None:
    choices = {"engine": ("native", "reference"), "on_error": ("fail", "skip")}
    for name, allowed in choices.items():
        value = getattr(request, name)
        if value not in allowed:
            raise UsageError(f"--{name.replace('_', '-')} {value!r}: allowed are {', '.join(allowed)}")
    if request.limit is not None and request.limit < 1:
        raise UsageError(f"--limit {request.limit}: allowed is a whole number from 1")
    if request.seed < 0:
        raise UsageError(f"--seed {request.seed}: allowed is a whole number from 0")


def _require_partners(corruptions: Sequence[Corruption], dataset: Dataset) -> None:
    """Refuse to mismatch images where there is no second one to take. Raises ``UsageError``."""
    shuffling = [corruption.name for corruption in corruptions if corruption.operator in MISMATCHING]
    if shuffling and len({sample.group for sample in dataset.samples}) < 2:
        raise UsageError(
            f"{', '.join(shuffling)}: an image needs another one as a partner, and {dataset.name} has "
            f"{len(dataset.samples)}; raise --limit"
        )


def _applicable(
    tasks: Sequence[Task], corruptions: Sequence[Corruption], severities: Sequence[int]
) -> tuple[list[tuple[Task, Corruption]], list[str]]:
    """Which corruption applies to which task, and one line for each that does not."""
    pairs: list[tuple[Task, Corruption]] = []
    refused: dict[tuple[str, str], list[str]] = {}
    for corruption in corruptions:
        graded = set(severities) & set(corruption.severities)
        for task in tasks:
            reason = task.refuse_corruption(corruption) if graded else "it has only severity 1"
            if reason is None:
                pairs.append((task, corruption))
            else:
                refused.setdefault((task.name, reason), []).append(corruption.name)
    lines = [
        f"{task} under {', '.join(names)}: not applicable: {why}" for (task, why), names in refused.items()
    ]
    return pairs, lines


def _cells(
    request: RunRequest,
    suite: Suite,
    tasks: Sequence[Task],
    pairs: Sequence[tuple[Task, Corruption]],
    severities: Sequence[int],
) -> tuple[Cell, ...]:
    """Clean cells first, then corruption by corruption and severity by severity."""
    clean = Condition(suite.id, None, 0, request.seed)
    cells = [Cell(task, clean) for task in tasks]
    for name in dict.fromkeys(corruption.name for _, corruption in pairs):
        for severity in severities:
            condition = Condition(suite.id, name, severity, request.seed)
            cells += [
                Cell(task, condition, ((c, severity),))
                for task, c in pairs
                if c.name == name and severity in c.severities
            ]
    return tuple(cells)


def _joint_cells(
    request: RunRequest,
    suite: Suite,
    tasks: Sequence[Task],
    joint: tuple[Corruption, Corruption],
    severities: Sequence[int],
) -> tuple[Cell, ...]:
    """The grid of an image and a text corruption at once, for the tasks to which both apply.

    ``A@s+B`` at severity t is A at s with B at t; either alone has its own cells, with the same draws.
    """
    image, text = joint
    both = [task for task in tasks if not any(task.refuse_corruption(c) for c in joint)]
    return tuple(
        Cell(
            task,
            Condition(suite.id, JointCorruption(image.name, s, text.name).name, t, request.seed),
            ((image, s), (text, t)),
        )
        for s in severities
        if s in image.severities
        for t in severities
        for task in both
    )
