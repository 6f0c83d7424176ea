"""Training data of the bundled backbone: rendered scenes in a file, and an unlimited supply of captions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image
import torch
from torch import Tensor

from mafs_bench.datasets.scenes import load
from mafs_bench.datasets.scenes.captions import write_captions
from mafs_bench.datasets.scenes.rendering import DOMAINS, SceneImage
from mafs_bench.datasets.scenes.truth import ANY_RELATION, BELOW, Claim, find_true
from mafs_bench.datasets.scenes.world import (
    COUNTS,
    GENERATOR_VERSION,
    GROUP_FIELDS,
    POSITIONS,
    SPLIT_SIZES,
    World,
    make_world,
    scenes_of,
)
from mafs_bench.files import replacing

SPLIT = "train"
IMAGE_SIZE = 128
OTHER_DOMAINS_EVERY = 5
"""Every fifth scene is seen in the other domains too."""
CAPTIONS_A_SCENE = 5

Tokenize = Callable[[list[str]], list[list[int]]]


@dataclass(frozen=True)
class Pictures:
    """pixels: uint8 (n, 128, 128, 3), resized as the model's own preprocessing does; scene: int64 (n,)."""

    pixels: npt.NDArray[np.uint8]
    scene: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scene)


def pictures(folder: Path, limit: int | None = None) -> Pictures:
    """All training scenes, drawn into a file of ``folder`` unless it is there, complete and whole."""
    n = len(make_world(SPLIT).groups[:limit])
    shown = [(index, DOMAINS[0]) for index in range(n)]
    shown += [(index, domain) for domain in DOMAINS[1:] for index in range(0, n, OTHER_DOMAINS_EVERY)]
    file = folder / f"pixels-{GENERATOR_VERSION}.npy"
    shape = (len(shown), IMAGE_SIZE, IMAGE_SIZE, 3)
    if not _is_drawn(file, shape):
        _draw(file, shown, shape)
    return Pictures(np.load(file, mmap_mode="r"), np.array([index for index, _ in shown]))


def _is_drawn(file: Path, shape: tuple[int, ...]) -> bool:
    try:
        return bool(np.load(file, mmap_mode="r").shape == shape)
    except (OSError, ValueError, EOFError):  # not there, or damaged
        return False


def _draw(file: Path, shown: list[tuple[int, str]], shape: tuple[int, ...]) -> None:
    with replacing(file) as temporary:
        pixels = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        for row, (index, domain) in enumerate(shown):
            image = PIL.Image.fromarray(SceneImage(SPLIT, index, domain).load())
            pixels[row] = image.resize((IMAGE_SIZE, IMAGE_SIZE), PIL.Image.Resampling.BICUBIC)
        pixels.flush()
        del pixels


def describe(limit: int | None, domain: str = DOMAINS[0]) -> dict[str, str | int]:
    """What the recipes train on in one domain, as an entry of a card's ``training_data``."""
    dataset = load(domain, SPLIT, limit=1)
    return {
        "name": dataset.name,
        "split": SPLIT,
        "revision": dataset.revision,
        "images": SPLIT_SIZES[SPLIT] if limit is None else min(limit, SPLIT_SIZES[SPLIT]),
    }


def augment(pixels: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Shift by up to 4 pixels; brightness of half, weak noise (at most 0.05) of a third. float32 in [0, 1]."""
    n, reach = len(pixels), 4
    padded = np.pad(pixels, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
    y, x = rng.integers(0, 2 * reach + 1, size=(2, n))
    cut = [padded[k, y[k] : y[k] + IMAGE_SIZE, x[k] : x[k] + IMAGE_SIZE] for k in range(n)]
    images = np.stack(cut).astype(np.float32) / 255
    images *= np.where(rng.random(n) < 0.5, rng.uniform(0.8, 1.2, n), 1.0).astype(np.float32)[
        :, None, None, None
    ]
    for k in np.flatnonzero(rng.random(n) < 1 / 3):
        images[k] += rng.uniform(0, 0.05) * rng.standard_normal(images[k].shape, dtype=np.float32)
    return images.clip(0, 1)


@dataclass(frozen=True)
class SceneTargets:
    """The contents of scenes, as classes to predict.

    quarters: int64 (n, 4, 5), shape, colour, size, texture and count of the group in each quarter; count is 0
    for none, the others -100 there. settings: int64 (n, 3).
    """

    quarters: Tensor
    settings: Tensor


QUARTER_CLASSES = (
    *(len(GROUP_FIELDS[name]) for name in ("shape", "colour", "size", "texture")),
    len(COUNTS) + 1,
)
IGNORED = -100


def scene_targets(world: World) -> SceneTargets:
    """Sort the groups of every scene by quarter."""
    quarters = np.full((len(world), len(POSITIONS), len(QUARTER_CLASSES)), IGNORED, dtype=np.int64)
    quarters[:, :, -1] = 0
    scene, group = np.nonzero(world.present)
    facts = world.groups[scene, group]
    quarters[scene, facts[:, -1]] = np.column_stack([facts[:, :-2], facts[:, -2] + 1])
    return SceneTargets(torch.from_numpy(quarters), torch.from_numpy(world.settings))


@dataclass(frozen=True)
class Texts:
    """Captions of all scenes: padded token ids int64 (5n, length), their lengths, and what they claim."""

    ids: Tensor
    lengths: Tensor
    claims: list[Claim]


def texts(tokenize: Tokenize, edition: int, limit: int | None = None) -> Texts:
    """Write an edition of captions; edition 0 is the data set's own, others are other words on the same scenes."""
    scenes = scenes_of(make_world(SPLIT), limit)
    written, claims = write_captions(scenes, SPLIT if edition == 0 else f"{SPLIT}/{edition}")
    tokens = tokenize(written)
    lengths = torch.tensor([len(row) for row in tokens])
    ids = torch.zeros(len(tokens), int(lengths.max()), dtype=torch.int64)
    for row, values in enumerate(tokens):
        ids[row, : len(values)] = torch.tensor(values)
    return Texts(ids, lengths, claims)


CLAIM_BITS = 46


def claim_targets(claims: list[Claim]) -> Tensor:
    """What a caption allows, bit by bit, for both of its phrases, and its relation: float32 (n, 2 * 46 + 5)."""
    masks = np.array([(claim.first, claim.second) for claim in claims], dtype=np.uint64)
    bits = masks[:, :, None] >> np.arange(CLAIM_BITS, dtype=np.uint64) & np.uint64(1)
    relation = np.array([claim.relation for claim in claims])[:, None] == np.arange(ANY_RELATION, BELOW + 1)
    return torch.from_numpy(np.column_stack([bits.reshape(len(claims), -1), relation]).astype(np.float32))


def truth_table(claims: list[Claim], world: World, scenes: npt.NDArray[np.int64]) -> Tensor:
    """Which claims are true of which of these scenes: bool (claims, scenes)."""
    part = World(world.groups[scenes], world.present[scenes], world.settings[scenes])
    table = torch.zeros(len(claims), len(scenes), dtype=torch.bool)
    claim, scene = find_true(claims, part)
    table[torch.from_numpy(claim), torch.from_numpy(scene)] = True
    return table
