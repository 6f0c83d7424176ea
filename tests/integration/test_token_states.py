"""Memory of a re-ranked evaluation of COCO's size: token states lie in files, whatever their number.

``pytest -m slow tests/integration/test_token_states.py -s`` prints the figures.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_EVALUATION = """
import sys
from pathlib import Path
import numpy as np, torch, transformers
from mafs_bench.adapters.base import Adapter, Embeddings
from mafs_bench.tasks import get_task
from mafs_bench.runs.encoder import Encoder
from mafs_bench.runs.view import ConditionParts, ConditionView
from mafs_bench.stats.intervals import intervals
from mafs_bench.stats.resampling import Resampling
from mafs_bench.tasks import matching, retrieval
from mafs_bench.types import Condition, Dataset, Sample

images, tokens, k, folder = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
rng = np.random.default_rng(0)

def unit(n):
    vectors = rng.standard_normal((n, 256), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

class Source:
    name = "grey"
    def load(self):
        return np.full((32, 32, 3), 127, dtype=np.uint8)

class Reranker(Adapter):
    rerank, scored = k, 0
    def encode_images(self, seen):
        states = {"tokens": rng.standard_normal((len(seen), tokens, 768), dtype=np.float32)}
        return Embeddings(unit(len(seen)), np.ones(len(seen), dtype=bool), states=states)
    def encode_texts(self, texts):
        states = {"tokens": np.ones((len(texts), 2, 35), dtype=np.int64)}
        return Embeddings(unit(len(texts)), np.ones(len(texts), dtype=bool), states=states)
    def score_pairs(self, images, texts):
        assert images.states["tokens"].shape[1:] == (tokens, 768)
        self.scored += len(images)
        return images.states["tokens"][:, 0, 0] + texts.states["tokens"][:, 0, 0]

samples = [Sample(str(i), str(i), Source(), tuple(f"{i} {j}" for j in range(5))) for i in range(images)]
dataset = Dataset("random", "test", "0", "", "", tuple(samples))
adapter = Reranker()
encoder = Encoder(adapter, dataset, 0, 64, 0, spool=folder)
view = ConditionView(encoder, Condition("core@1", None, 0, 0), ConditionParts.of(()))
frame = retrieval.score(adapter, view)
found = intervals(get_task("retrieval").metrics, frame, Resampling(frame["group"]))
assert found["t2i_r1"].n == 5 * images and adapter.scored >= 5 * k
assert len(matching.score(adapter, view)) == 2 * images
lines = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
print(peak, sum(file.stat().st_size for file in folder.rglob("*.rows")))
"""


def peak_and_disk(folder: Path, images: int, tokens: int, rerank: int) -> tuple[float, float]:
    """GB of memory and of files."""
    words = [str(images), str(tokens), str(rerank), str(folder)]
    done = subprocess.run([sys.executable, "-c", _EVALUATION, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    peak, disk = (int(word) / 1e9 for word in done.stdout.split())
    return peak, disk


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="reads Linux's peak of memory")
def test_an_evaluation_of_coco_s_size_with_token_states_stays_below_2_gb(tmp_path: Path) -> None:
    """Rows of ViT-B/16's size at 384 px (577 x 768) on few images; how memory grows with them on rows of 37 x 768."""
    large, _ = peak_and_disk(tmp_path / "large", 300, 577, 16)
    few, _ = peak_and_disk(tmp_path / "few", 300, 37, 64)
    many, disk = peak_and_disk(tmp_path / "many", 5_000, 37, 64)
    print(
        f"\n577 x 768 an image, 300 images: {large:.2f} GB; 37 x 768: {few:.2f} GB for 300 images, {many:.2f} GB for "
        f"5,000 with {disk:.2f} GB in files; 5,000 of 577 x 768: {large + many - few:.2f} GB, "
        f"{disk * 577 / 37:.1f} GB in files"
    )
    assert disk == pytest.approx(5_000 * 37 * 768 * 4 / 1e9)
    assert large + many - few < 2
