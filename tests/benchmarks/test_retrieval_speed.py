"""Time and memory of exact ranking beside one matrix product of the same size.

pytest tests/benchmarks/test_retrieval_speed.py -s
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mafs_bench.tasks.ranking import first_correct_ranks

_LARGE = """
import sys, time
import numpy as np
from mafs_bench.tasks.ranking import first_correct_ranks, score_memory
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
queries, gallery, width, memory = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
q = rng.standard_normal((queries, width), dtype=np.float32)
g = rng.standard_normal((gallery, width), dtype=np.float32)
relevant = [np.array([i]) for i in range(queries)]
before = peak()
score_memory.set(memory)
began, cpu = time.perf_counter(), time.process_time()
ranks = first_correct_ranks(q, g, relevant)
print(time.perf_counter() - began, time.process_time() - cpu)
print((peak() - before) * 1024)
few = q[:5].astype(np.float64) @ g.T.astype(np.float64)
assert [1 + int((row >= row[i]).sum()) - 1 for i, row in enumerate(few)] == ranks[:5].tolist()
"""


_WHOLE = """
import resource, time
import numpy as np, torch
from mafs_bench.adapters.base import Embeddings
from mafs_bench.tasks import get_task
from mafs_bench.stats.intervals import intervals
from mafs_bench.stats.resampling import Resampling
from mafs_bench.tasks import retrieval
from mafs_bench.types import Dataset, Sample

N, D = 5000, 512
rng = np.random.default_rng(0)

def embeddings(n):
    vectors = rng.standard_normal((n, D), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embeddings(vectors, np.ones(n, dtype=bool))

class View:
    captions_of = [tuple(f"{i} {k}" for k in range(5)) for i in range(N)]
    samples = tuple(Sample(str(i), str(i), None, texts) for i, texts in enumerate(captions_of))
    dataset = Dataset("random", "test", "0", "", "", samples)
    seen, read = embeddings(N), embeddings(5 * N)
    images, captions = (lambda self: self.seen), (lambda self: self.read)
    inapplicable_images = lambda self: np.zeros(N, dtype=bool)
    inapplicable_captions = lambda self: np.zeros(5 * N, dtype=bool)
    unchanged_captions = lambda self: np.zeros(5 * N, dtype=bool)

began, cpu = time.perf_counter(), time.process_time()
frame = retrieval.score(object(), View())
found = intervals(get_task("retrieval").metrics, frame, Resampling(frame["group"]))
assert found["t2i_r1"].n == 5 * N and found["i2t_r1"].n == N and found["t2i_r10"].value < 0.01
print(time.perf_counter() - began, time.process_time() - cpu)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def cpu_seconds(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def test_5000_by_25000_costs_at_most_two_products() -> None:
    rng = np.random.default_rng(0)
    queries, gallery = (rng.standard_normal((n, 512), dtype=np.float32) for n in (5000, 25000))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    relevant = [np.arange(5 * i, 5 * i + 5) for i in range(5000)]
    both = [
        (
            cpu_seconds(lambda: queries @ gallery.T),
            cpu_seconds(lambda: first_correct_ranks(queries, gallery, relevant)),
        )
        for _ in range(3)
    ]
    product, ranks = (min(times) for times in zip(*both, strict=True))
    print(
        f"\n5,000 x 25,000, d 512, CPU-s: product {product:.2f}, ranks {ranks:.2f}, {ranks / product:.2f} times"
    )
    assert ranks <= 2 * product


def test_a_gallery_of_a_million_in_bounded_memory() -> None:
    """A slice of the 200,000 queries: every block of queries costs the same."""
    memory, queries = 256 << 20, 512
    made = subprocess.run(
        [sys.executable, "-c", _LARGE, str(queries), "1000000", "64", str(memory)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    wall, cpu, more = float(made[0]), float(made[1]), int(made[2])
    print(
        f"\n{queries} of 200,000 queries x 1,000,000, d 64, --memory 256M: {wall:.1f} s ({cpu:.1f} CPU-s), "
        f"{more / 2**20:.0f} MiB more than the vectors; all of them in {cpu * 200000 / queries / 60:.0f} CPU-minutes"
    )
    assert more <= 1.2 * memory


def test_an_evaluation_of_coco_s_size_stays_below_2_gb() -> None:
    """5,000 images and 25,000 captions of d 512, both directions, all metrics with 2,000 resamples."""
    made = subprocess.run(
        [sys.executable, "-c", _WHOLE], capture_output=True, text=True, check=True
    ).stdout.split()
    wall, cpu, peak = float(made[0]), float(made[1]), int(made[2]) * 1024
    print(f"\n5,000 images, 25,000 captions, d 512: {wall:.1f} s ({cpu:.1f} CPU-s), peak {peak / 1e9:.2f} GB")
    assert peak < 2e9
