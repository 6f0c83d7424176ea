"""Runs of a model behind an endpoint: resumed, killed, shared, and compared with the same model loaded here."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import mafs_bench as mb
from mafs_bench.errors import EndpointError, UsageError
from mafs_bench.types import MEASURED
from tests.support.endpoint_stub import Reaction, Stub, completion, prompt_of, running

KEY = "sk-test-0123456789abcdef"
VLM = Path(__file__).parents[2].parent / "shared" / "golden" / "vlm_tiny"


def _react(table: dict, n: int) -> Reaction:
    """Depends on the request alone."""
    prompt = prompt_of(table)
    if "yes or no" in prompt:
        return Reaction(body=completion("yes" if len(prompt) % 2 else "no"))
    return Reaction(body=completion("red" if len(prompt) % 3 else ""))


def _run(stub: Stub, out: Path, **options: object) -> mb.Run:
    options = {"corruption": "gaussian,keyboard", "severity": 3, "limit": 6, **options}
    return mb.run(stub.spec, out=out, progress=False, **options)


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with running(Stub(_react)) as serving:
        yield serving


@pytest.fixture(scope="module")
def whole(stub: Stub, tmp_path_factory: pytest.TempPathFactory) -> mb.Run:
    return _run(stub, tmp_path_factory.mktemp("run"))


def test_a_run_does_every_task_and_records_what_it_took(whole: mb.Run, stub: Stub) -> None:
    assert set(whole.tasks) == {"vqa", "matching", "captioning"}
    usage = whole.spec.usage
    assert usage["requests"] == len(stub.answered) == len({json.dumps(table) for table in stub.answered})
    assert usage["tokens_in"] == 10 * usage["requests"]
    assert usage["server_seconds"] > 0
    assert whole.spec.sources["endpoint"] == stub.url
    assert whole.spec.sources["served"] == "tiny-served"
    assert whole.spec.prompts["name"] == "prompts@1"
    assert whole.spec.probe["compared"] is False
    assert any("recorded and not compared" in note for note in whole.spec.notes)


def test_empty_answers_are_wrong_counted_and_listed(whole: mb.Run) -> None:
    frame = whole.scores("vqa")
    empty = frame[frame["answer"] == ""]
    assert 0 < len(empty) < len(frame)
    assert (empty["score"] == 0).all()
    listed = pd.read_csv(whole.folder / "unanswered.tsv", sep="\t")
    here = listed[(listed["task"] == "vqa") & (listed["condition"] == "clean")]
    assert set(here["id"]) == set(empty["id"])
    cell = next(c for c in whole.stored.results if c.task == "vqa" and c.corruption is None)
    assert cell.audit["unanswered"] == len(empty)


def test_stated_matches_have_pair_accuracy_and_no_auroc(whole: mb.Run) -> None:
    found = whole.table().query("task == 'matching' and corruption.isna()").set_index("metric")["value"]
    assert pd.isna(found["auroc"])
    assert 0 <= found["pair_accuracy"] <= 1
    assert any("AUROC and calibration are not available" in note for note in whole.spec.notes)


def test_the_same_command_asks_nothing_again_even_where_cells_are_lost(whole: mb.Run, stub: Stub) -> None:
    asked = len(stub.seen)
    next(whole.folder.glob("cells/vqa--gaussian*")).unlink()
    again = _run(stub, whole.folder)
    assert len(stub.seen) == asked
    pd.testing.assert_frame_equal(again.table(), whole.table())
    assert again.spec.usage == whole.spec.usage


def test_batches_workers_and_concurrency_change_nothing(whole: mb.Run, stub: Stub, tmp_path: Path) -> None:
    other = _run(stub, tmp_path, batch_size=4, concurrency=3, workers=0)
    pd.testing.assert_frame_equal(other.table(), whole.table())
    ours, theirs = (
        {name: value for name, value in vars(run.spec).items() if name not in MEASURED}
        for run in (whole, other)
    )
    assert ours == theirs


def test_a_second_run_takes_its_answers_from_the_cache(whole: mb.Run, stub: Stub, tmp_path: Path) -> None:
    first = _run(stub, tmp_path / "a", cache=tmp_path / "cache", task="vqa")
    asked = len(stub.seen)
    second = _run(stub, tmp_path / "b", cache=tmp_path / "cache", task="vqa")
    assert len(stub.seen) == asked
    assert second.spec.usage["from_cache"] == first.spec.usage["requests"] > 0
    pd.testing.assert_frame_equal(second.table(), first.table())


def test_a_run_that_is_killed_loses_at_most_what_was_in_flight(tmp_path: Path, whole: mb.Run) -> None:
    """And what it finished is as if it had never been stopped."""

    def slow(table: dict, n: int) -> Reaction:
        return Reaction(body=_react(table, n).body, delay=0.03)

    with running(Stub(slow, key=KEY)) as stub:
        command = [
            sys.executable,
            "-m",
            "mafs_bench",
            "run",
            "--model",
            stub.spec,
            "--corruption",
            "gaussian,keyboard",
        ]
        command += [
            "--severity",
            "3",
            "--limit",
            "6",
            "--concurrency",
            "4",
            "--workers",
            "0",
            "--out",
            str(tmp_path),
        ]
        environment = {**os.environ, "OPENAI_API_KEY": KEY}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while len(stub.answered) < 60 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed_at = len(stub.answered)
        assert killed_at >= 60
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        total = len({json.dumps(table) for table in stub.answered})
        assert len(stub.answered) - total <= 4
    run = mb.load_run(tmp_path)
    assert run.spec.usage["requests"] == total
    pd.testing.assert_frame_equal(run.table(), whole.table())
    assert KEY not in done.stdout + done.stderr
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_a_server_that_dies_ends_the_run_and_another_takes_it_up(tmp_path: Path, whole: mb.Run) -> None:
    def dying(table: dict, n: int) -> Reaction:
        return _react(table, n) if n < 70 else Reaction(drop=True)

    options = {"model_args": {"attempts": 2}, "concurrency": 2}
    with running(Stub(dying)) as stub:
        with pytest.raises(
            EndpointError, match=r"keeps failing: .*; 70 answers are stored in .*goes on from there"
        ):
            _run(stub, tmp_path, **options)
        before = len(stub.seen)
        stub.react = _react
        run = _run(stub, tmp_path)  # neither attempts nor concurrency are part of the record
        assert run.spec.usage["requests"] == 70 + len(stub.seen) - before
    pd.testing.assert_frame_equal(run.table(), whole.table())


def test_an_endpoint_is_not_spread_over_a_cluster(stub: Stub, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(UsageError, match="is asked from one process; --concurrency"):
        _run(stub, tmp_path, executor="ray")


def test_a_failure_is_one_line_and_exit_code_1(stub: Stub, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mafs_bench",
        "run",
        "--corruption",
        "clean",
        "--limit",
        "2",
        "--quiet",
    ]
    environment = {**os.environ, "OPENAI_API_KEY": KEY}
    with running(Stub(_react, key="another")) as locked:
        for spec, message in (
            (f"api:tinny@{stub.url}", "Did you mean 'tiny'"),
            ("api:tiny@http://127.0.0.1:9/v1", "the server cannot be reached"),
            (locked.spec, "refuses the key (401: Incorrect API key: Bearer ***)"),
        ):
            ended = subprocess.run(
                [*command, "--model", spec], env=environment, capture_output=True, text=True
            )
            assert ended.returncode == 1
            assert message in ended.stderr
            assert ended.stderr.count("\n") == 1
            assert KEY not in ended.stdout + ended.stderr


def test_a_dry_run_estimates_requests_tokens_time_and_price(
    stub: Stub, whole: mb.Run, tmp_path: Path
) -> None:
    options = {"corruption": "gaussian,keyboard", "severity": 3, "limit": 24, "progress": False}
    cost = mb.run(stub.spec, dry_run=True, price_in=2.0, price_out=10.0, concurrency=2, **options).cost
    assert cost is not None
    cells = len(whole.stored.results)
    assert (cost.cells, cost.samples, cost.timed) == (cells, 24 * cells, 8)
    run = mb.run(stub.spec, out=tmp_path, **options)
    rows = sum(len(run.stored.frame(cell)) for cell in run.stored.results)
    assert cost.requests == cost.rows == rows
    assert (cost.tokens_in, cost.tokens_out) == (10 * rows, 2 * rows)
    assert cost.price == pytest.approx((10 * rows * 2 + 2 * rows * 10) / 1e6)
    assert 0 < cost.seconds < 600
    assert cost.memory > 1 << 27
    assert any(line.startswith("price") for line in cost.lines())


def test_a_dry_run_of_a_dual_encoder_asks_no_server_and_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    cost = mb.run("chance", "fog", 3, limit=40, dry_run=True, progress=False).cost
    assert cost is not None
    assert (cost.requests, cost.tokens_in, cost.price) == (0, 0, None)
    assert cost.samples == 40 * cost.cells
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="go with --dry-run"):
        mb.run("chance", "fog", 3, limit=4, price_in=1.0, progress=False)


# A real server.


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """The base URL of ``transformers serve`` with a tiny random LLaVA."""
    if not VLM.is_dir():
        pytest.skip(f"the tiny LLaVA is not there: {VLM}")
    pytest.importorskip("uvicorn")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        Path(sys.executable).with_name("transformers"),
        "serve",
        "--device",
        "cpu",
        "--dtype",
        "float32",
    ]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), str(VLM)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(120):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                    break
            except OSError:
                assert process.poll() is None, "transformers serve has ended"
                time.sleep(1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.slow
def test_a_served_model_answers_as_the_same_model_loaded_here(served: str, tmp_path: Path) -> None:
    options = {"corruption": "gaussian,image_dropout", "severity": 3, "limit": 3, "progress": False}
    tasks = ["vqa", "captioning"]
    there = mb.run(f"api:{VLM}@{served}", out=tmp_path / "api", task=tasks, **options)
    here = mb.run(f"hf:{VLM}", out=tmp_path / "hf", task=tasks, batch_size=1, **options)
    for task, column in (("vqa", "answer"), ("captioning", "caption")):
        for corruption in (None, "gaussian_noise", "image_dropout"):
            answers = there.scores(task, corruption, None if corruption is None else 3).set_index("id")[
                column
            ]
            expected = here.scores(task, corruption, None if corruption is None else 3).set_index("id")[
                column
            ]
            assert len(answers) > 0
            pd.testing.assert_series_equal(answers, expected)
