"""The record of a run: what it holds, and that runs of 0.1 stay readable and are not resumed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mafs_bench.adapters.inference import allows_tf32
from mafs_bench.adapters.load import load, resolve_settings
from mafs_bench.adapters.probe import Probe
from mafs_bench.errors import StoreError
from mafs_bench.runs.execute import _with_late
from mafs_bench.runs.plan import RunRequest, make_plan
from mafs_bench.runs.record import PACKAGES, make_spec, probe_of, run_notes
from mafs_bench.runs.store import open_folder, read_run, read_spec, spec_of
from mafs_bench.types import RECORD_FORMAT
from tests.support.fake_run import write_run
from tests.support.toy import TOY_ADAPTER

SETTINGS = resolve_settings("cpu")


def _spec(model: str = TOY_ADAPTER):
    plan = make_plan(RunRequest(model, "gaussian_noise", "1", limit=4))
    adapter = load(model, SETTINGS)
    notes = run_notes(plan, adapter, None, SETTINGS)
    return make_spec(plan, adapter, None, SETTINGS, probe_of(plan, adapter, SETTINGS), notes)


def test_a_record_knows_model_device_decoders_and_packages() -> None:
    spec = _spec()
    assert spec.format == RECORD_FORMAT == 2
    assert Probe.from_table(spec.probe).numbers["images, together"].shape == (8, 7)
    assert spec.modules.keys() >= {"toy.py"}
    assert spec.device[0].startswith("cpu: ")
    assert spec.decoders.keys() >= {"pillow", "libjpeg", "zlib"}
    assert {*PACKAGES, "mafs-bench", "java"} == spec.packages.keys()
    assert "absent" not in spec.packages.values()
    assert (spec.frame, spec.precision, spec.tf32, spec.language, spec.trust_remote_code) == (
        "256",
        "fp32",
        False,
        "en",
        False,
    )
    assert spec_of(json.loads(spec.to_json())) == spec


def test_fp32_means_fp32() -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    assert allows_tf32()
    assert not _spec("chance").tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32


def test_a_model_that_switches_tf32_on_is_noted(tmp_path: Path) -> None:
    (tmp_path / "fast.py").write_text(
        "import torch\nfrom tests.support.toy import ToyEncoder\n\n\nclass Fast(ToyEncoder):\n"
        "    def __init__(self):\n        torch.set_float32_matmul_precision('high')\n"
    )
    try:
        spec = _spec(f"{tmp_path}/fast.py:Fast")
    finally:
        torch.set_float32_matmul_precision("highest")
    assert spec.tf32
    assert any("TF32" in note for note in spec.notes)


FORMAT_1 = (
    "model weights dataset split revision limit tasks suite suite_hash corruptions severities seed precision engine "
    "on_error missing sources clipscore packages notes"
)


def _as_format_1(folder: Path) -> Path:
    spec = json.loads((folder / "spec.json").read_text())
    spec = {name: spec[name] for name in FORMAT_1.split()}
    (folder / "spec.json").write_text(json.dumps(spec))
    return folder


def test_a_run_of_format_1_can_be_read_and_not_resumed(tmp_path: Path) -> None:
    folder = _as_format_1(write_run(tmp_path / "old"))
    run = read_run(folder)
    assert run.spec.format == 1
    assert run.spec.notes == ("identity not recorded (a run of mafs-bench 0.1)",)
    assert not run.spec.probe
    with (
        pytest.raises(
            StoreError, match=r"record format 1.* can be read but not resumed: choose another --out$"
        ),
        open_folder(folder, run.spec),
    ):
        pass
    assert read_spec(folder).format == 1


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "new")
    spec = json.loads((folder / "spec.json").read_text())
    (folder / "spec.json").write_text(json.dumps({**spec, "format": 3}))
    with pytest.raises(StoreError, match="record format 3; this version reads up to 2"):
        read_spec(folder)


def test_a_module_that_changes_while_a_run_goes_on_is_noted() -> None:
    modules, lines = _with_late({"a.py": "1", "b.py": "2"}, {"a.py": "1", "b.py": "3", "late.py": "4"})
    assert modules == {"a.py": "1", "b.py": "2", "late.py": "4"}
    assert lines == ["b.py was changed while the run went on; its hash is that of the start"]


def test_a_judge_that_answers_differently_is_another_run(tmp_path: Path) -> None:
    spec = replace(_spec(), clipscore_probe=_spec().probe)
    with open_folder(tmp_path / "out", spec):
        pass
    probe = Probe.from_table(spec.clipscore_probe)
    other = replace(probe, numbers={name: -rows for name, rows in probe.numbers.items()})
    refused = "the judge of CLIPScore answers differently"
    changed = replace(spec, clipscore_probe=other.to_table())
    with pytest.raises(StoreError, match=refused), open_folder(tmp_path / "out", changed):
        pass


def test_another_device_is_added_to_the_record(tmp_path: Path) -> None:
    spec = _spec()
    with open_folder(tmp_path / "out", spec):
        pass
    with open_folder(tmp_path / "out", replace(spec, device=("cuda: NVIDIA H100",))) as resumed:
        assert resumed.device == (*spec.device, "cuda: NVIDIA H100")
    assert read_spec(tmp_path / "out").device == resumed.device
