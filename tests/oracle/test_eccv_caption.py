"""mAP@R, R-Precision and R@1 on people's positives against the package ``eccv_caption``, on all of its data."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mafs_bench.datasets.annotations import Entry
from mafs_bench.datasets.positives import human_positives
from mafs_bench.tasks import get_task
from mafs_bench.tasks.ranking import rank_all

package = pytest.importorskip("eccv_caption", reason="eccv_caption is not installed")
FOLDER = Path(package.__file__).parent / "data"


@pytest.mark.parametrize("kind", ["eccv", "cxc"])
def test_metrics_are_those_of_the_package(kind: str) -> None:
    own = json.loads((FOLDER / "original_image_to_caption.json").read_text(encoding="utf-8"))
    entries = [Entry(n, "", ("",) * len(cs), "test", tuple(map(int, cs))) for n, cs in own.items()]
    relevance = human_positives(kind, entries)
    image_ids = np.array([int(entry.id) for entry in entries])
    caption_ids = np.array([number for entry in entries for number in entry.caption_ids])
    rng = np.random.default_rng(0)
    images = rng.normal(size=(5000, 16)).astype(np.float32)
    captions = np.repeat(images, 5, axis=0) + rng.normal(scale=1.5, size=(25000, 16)).astype(np.float32)
    sides = {
        "t2i": (captions, images, relevance.caption_images, None, caption_ids, image_ids),
        "i2t": (images, captions, relevance.image_captions, relevance.image_totals, image_ids, caption_ids),
    }
    retrieved, frames = {}, []
    for direction, (queries, gallery, relevant, totals, query_ids, gallery_ids) in sides.items():
        asked = [i for i, items in enumerate(relevant) if len(items)][:: 1 if kind == "eccv" else 10]
        totals = totals or [len(items) for items in relevant]
        found = rank_all(queries[asked], gallery, [relevant[i] for i in asked], at=[totals[i] for i in asked])
        columns = {
            "score": found.first, "map_at_r": found.average_precision, "r_precision": found.r_precision
        }  # fmt: skip
        frames.append(pd.DataFrame({"direction": direction, **columns}))
        order = np.argsort(-(queries[asked] @ gallery.T), axis=1)
        retrieved[direction] = {
            int(query_ids[i]): gallery_ids[o].tolist() for i, o in zip(asked, order, strict=True)
        }
    theirs = _of_the_package(kind, retrieved)
    frame = pd.concat(frames)
    ours = {
        m.name: float(m.value(m.columns(frame).sum(0))) for m in get_task("retrieval").metrics if m.columns
    }
    for (name, direction), value in theirs.items():
        assert 0 < value < 1
        assert ours[f"{direction}_{name}"] == pytest.approx(value, abs=1e-12)


def _of_the_package(kind: str, retrieved: dict) -> dict[tuple[str, str], float]:
    from eccv_caption._metrics import compute_eccv_metrics, compute_r_at_k

    metrics = package.Metrics()
    truth = metrics.eccv_gts if kind == "eccv" else metrics.cxc_gts
    found = {}
    for direction, lists in retrieved.items():
        judged = {query: truth[direction][query] for query in lists}
        assert kind == "cxc" or judged.keys() == truth[direction].keys()
        at_r = compute_eccv_metrics(lists, judged)
        found["map_at_r", direction] = at_r["eccv_map_at_r"]
        found["r_precision", direction] = at_r["eccv_rprecision"]
        for k in (1, 5, 10):
            found[f"r{k}", direction] = compute_r_at_k(lists, judged, k)
    return found
