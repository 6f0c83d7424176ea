"""Scenes: the same bytes everywhere, and captions that are exactly true."""

import hashlib
import pickle
import re

import numpy as np
import pytest

from mafs_bench.datasets.resolve import resolve
from mafs_bench.datasets.scenes.captions import write_captions
from mafs_bench.datasets.scenes.rendering import DOMAINS, SceneImage
from mafs_bench.datasets.scenes.truth import ABOVE, ANYTHING, BELOW, LEFT_OF, RIGHT_OF, Claim, find_true, only
from mafs_bench.datasets.scenes.wording import BACKGROUND_WORDS, COLOUR_WORDS, SHAPE_NOUNS
from mafs_bench.datasets.scenes.world import (
    GROUP_FIELDS,
    SETTING_FIELDS,
    SPLIT_SIZES,
    make_world,
    scenes_of,
)
from mafs_bench.errors import UnknownNameError

IMAGE_HASHES = {
    "flat": "c59bbee6bd702f9b585c3f91f6337f286200c64aecfd45343779cde81a9d2c91",
    "textured": "08c1b82088ecb15987afe85742d511198e7299812cc823d554699291b4528580",
    "sketch": "cf708f6bee50aec8108c6a2a33cb241b8c5d42ef55000847e716d14ca62aad1f",
    "night": "cecf70e89236710c4f87a618d9d13bdde004a18c5e1a748c06833134632818c3",
}
TEXT_HASH = "ba70adc85f731857bfc0d242920634fa6616128cbbac434e19154fb83afa5175"


@pytest.fixture(scope="module")
def dataset():
    return resolve("scenes")


@pytest.fixture(scope="module")
def claims():
    return write_captions(scenes_of(make_world("test")), "test")[1]


def _all_of(field):
    return ANYTHING & ~only(field)


def holds(claim, scene):
    """The meaning of a claim, spelled out scene by scene."""
    setting = dict(zip(SETTING_FIELDS, (scene.background, scene.pattern, scene.light), strict=True))

    def fits(mask, group):
        facts = dict(zip(GROUP_FIELDS, group, strict=True)) | setting
        return all(mask & _all_of(field) & only(field, value) for field, value in facts.items())

    def related(first, second):
        rows, columns = (first // 2, second // 2), (first % 2, second % 2)
        return {
            0: True,
            LEFT_OF: columns[0] < columns[1],
            RIGHT_OF: columns[0] > columns[1],
            ABOVE: rows[0] < rows[1],
            BELOW: rows[0] > rows[1],
        }[claim.relation]

    for a, group in enumerate(scene.groups):
        if not fits(claim.first, group):
            continue
        if not claim.second:
            return True
        for b, other in enumerate(scene.groups):
            if a != b and fits(claim.second, other) and related(group[-1], other[-1]):
                return True
    return False


@pytest.mark.parametrize("domain", DOMAINS)
def test_pixels_are_these_bytes(domain):
    digest = hashlib.sha256()
    for split in ("test", "val", "train"):
        for index in range(12):
            digest.update(SceneImage(split, index, domain).load().tobytes())
    assert digest.hexdigest() == IMAGE_HASHES[domain]


def test_texts_are_these_bytes(dataset):
    texts = [
        [*s.captions, *(q.text for q in s.questions), *(a for q in s.questions for a in q.answers)]
        for s in dataset.samples
    ]
    assert hashlib.sha256(repr(texts).encode()).hexdigest() == TEXT_HASH


def test_an_image_is_rgb_and_survives_pickling(dataset):
    source = dataset.samples[7].image
    image = source.load()
    assert (image.shape, image.dtype) == ((224, 224, 3), np.uint8)
    assert np.array_equal(pickle.loads(pickle.dumps(source)).load(), image)
    assert source.name == "scenes:flat test 7"


def test_shape_of_the_data_set(dataset):
    assert len(dataset.samples) == 1000
    assert {len(sample.captions) for sample in dataset.samples} == {5}
    assert len({sample.id for sample in dataset.samples}) == 1000
    assert dataset.domain == "scenes"
    assert dataset.licence
    assert dataset.citation


def test_every_caption_is_true_of_its_own_scene(dataset):
    for number, images in enumerate(dataset.relevance.caption_images):
        assert number // 5 in images


def test_relevance_equals_brute_force(dataset, claims):
    scenes = scenes_of(make_world("test"))
    for number in range(0, 5000, 97):
        expected = [k for k, scene in enumerate(scenes) if holds(claims[number], scene)]
        assert dataset.relevance.caption_images[number].tolist() == expected


def test_vague_claims_equal_brute_force():
    world = make_world("val")
    scenes = scenes_of(world)
    vague = [
        Claim(ANYTHING),
        Claim(only("count", 1, 2, 3) & only("background", 2)),
        Claim(only("colour", 0), only("size", 1), LEFT_OF),
        Claim(ANYTHING, ANYTHING, BELOW),
        Claim(only("position", 0, 1) & only("light", 4), only("shape", 3), ABOVE),
    ]
    claim, scene = find_true(vague, world)
    for number, one in enumerate(vague):
        assert scene[claim == number].tolist() == [k for k, s in enumerate(scenes) if holds(one, s)]


def test_captions_are_specific_and_different(dataset):
    sizes = np.array([len(images) for images in dataset.relevance.caption_images])
    assert np.median(sizes) <= 2
    assert sizes.mean() < 5
    assert all(len(set(sample.captions)) == 5 for sample in dataset.samples)


def test_captions_name_nothing_that_is_not_there(dataset):
    """Read the words of a caption back, without the machinery that wrote it."""
    for sample, scene in zip(dataset.samples[:300], scenes_of(make_world("test"), 300), strict=True):
        shapes, colours = {g[0] for g in scene.groups}, {g[1] for g in scene.groups}
        for caption in sample.captions:
            words = set(re.findall(r"[a-z]+", caption.lower()))
            for shape, forms in enumerate(SHAPE_NOUNS):
                if any(set(form.split()) <= words for pair in forms for form in pair):
                    assert shape in shapes
            for colour, names in enumerate(COLOUR_WORDS):
                if words & set(names):
                    assert colour in colours
            for background, names in enumerate(BACKGROUND_WORDS):
                if words & set(names):
                    assert background == scene.background


def test_limit_keeps_the_first(dataset):
    few = resolve("scenes", limit=40)
    assert few.samples == dataset.samples[:40]
    for number, images in enumerate(few.relevance.caption_images):
        whole = dataset.relevance.caption_images[number]
        assert images.tolist() == whole[whole < 40].tolist()


def test_domains_share_texts_and_differ_in_pixels(dataset):
    sketch = resolve("scenes:sketch", limit=5)
    for one, other in zip(sketch.samples, dataset.samples[:5], strict=True):
        assert (one.captions, one.questions) == (other.captions, other.questions)
        assert not np.array_equal(one.image.load(), other.image.load())
    assert sketch.revision != dataset.revision


def test_splits_are_disjoint():
    def contents(split):
        return {(frozenset(s.groups), s.background, s.pattern, s.light) for s in scenes_of(make_world(split))}

    found = {split: contents(split) for split in SPLIT_SIZES}
    assert not found["test"] & found["val"]
    assert not found["test"] & found["train"]
    assert not found["val"] & found["train"]
    assert {split: len(make_world(split)) for split in SPLIT_SIZES} == SPLIT_SIZES


def test_shapes_and_colours_of_a_scene_are_distinct():
    for scene in scenes_of(make_world("test")):
        for field in (0, 1, 5):
            assert len({group[field] for group in scene.groups}) == len(scene.groups)


def test_questions_have_ten_answers_that_mostly_agree(dataset):
    answers = [q.answers for sample in dataset.samples for q in sample.questions]
    assert {len(given) for given in answers} == {10}
    assert {a for given in answers for a in given} <= set(dataset.answer_vocabulary)
    agreement = np.mean([max(map(given.count, given)) / 10 for given in answers])
    assert 0.8 < agreement < 0.95
    assert len(set(dataset.answer_vocabulary)) == len(dataset.answer_vocabulary)
    types = [q.answer_type for q in dataset.samples[0].questions]
    assert types == ["yes/no", "yes/no", "number", "other", "other"]


def test_boxes_hold_the_objects(dataset):
    """Outside of all boxes nothing of the saturated colours is left."""
    for sample in dataset.samples[:50]:
        assert all(0 <= x0 < x1 <= 224 and 0 <= y0 < y1 <= 224 for x0, y0, x1, y1 in sample.boxes)
        image = sample.image.load().astype(int)
        for x0, y0, x1, y1 in sample.boxes:
            image[y0:y1, x0:x1] = 128
        spread = (image.max(2) - image.min(2)) / image.max(2).clip(1)
        assert (spread > 0.6).mean() < 0.001


@pytest.mark.parametrize(("spec", "split"), [("scenes:sketchy", "test"), ("scenes", "tset")])
def test_unknown_names_are_one_line(spec, split):
    with pytest.raises(UnknownNameError, match="Did you mean"):
        resolve(spec, split)
