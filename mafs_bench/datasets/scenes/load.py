"""A split of scenes as a data set."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mafs_bench.datasets.scenes.captions import write_captions
from mafs_bench.datasets.scenes.choices import write_choices
from mafs_bench.datasets.scenes.questions import ANSWERS, write_questions
from mafs_bench.datasets.scenes.rendering import DOMAINS, SceneImage, boxes, jitter
from mafs_bench.datasets.scenes.truth import relevance
from mafs_bench.datasets.scenes.world import GENERATOR_VERSION, SPLIT_SIZES, World, make_world, scenes_of
from mafs_bench.errors import UnknownNameError
from mafs_bench.types import Dataset, Sample

CAPTIONS_A_SCENE = 5


def load(variant: str, split: str, *, root: Path | None = None, limit: int | None = None) -> Dataset:
    """Make a split in one domain (``variant``, "" for flat); images are rendered when they are loaded.

    ``root`` is not used: there are no files. Raises ``UnknownNameError`` for an unknown domain or split.
    """
    domain = variant or DOMAINS[0]
    if domain not in DOMAINS:
        raise UnknownNameError("domain of scenes", domain, DOMAINS)
    if split not in SPLIT_SIZES:
        raise UnknownNameError("split of scenes", split, SPLIT_SIZES)
    whole = make_world(split)
    world = World(whole.groups[:limit], whole.present[:limit], whole.settings[:limit])
    scenes = scenes_of(world)
    captions, claims = write_captions(scenes, split)
    choices = write_choices(scenes, split)
    questions, noise = write_questions(scenes, split), jitter(split)
    samples = tuple(
        Sample(
            id=f"{split}-{index}",
            group=f"{split}-{index}",
            image=SceneImage(split, index, domain),
            captions=tuple(captions[CAPTIONS_A_SCENE * index : CAPTIONS_A_SCENE * (index + 1)]),
            questions=questions[index],
            boxes=boxes(scene, noise[index]),
            choices=choices[index],
        )
        for index, scene in enumerate(scenes)
    )
    return Dataset(
        language="en",
        name="scenes" if domain == DOMAINS[0] else f"scenes:{domain}",
        split=split,
        revision=hashlib.sha256(f"scenes/{GENERATOR_VERSION}/{domain}".encode()).hexdigest(),
        licence="Apache-2.0",
        citation="Rendered by mafs-bench; no pictures or texts of others.",
        samples=samples,
        relevance=relevance(claims, world),
        answer_vocabulary=ANSWERS,
        domain="scenes",
    )
