"""Bundles whose spec or card is wrong."""

from __future__ import annotations

from tests.support.bundle_draft import Draft
from tests.support.malformed import malformed


@malformed("spec.json: content: Invalid JSON")
def broken_json(draft: Draft) -> None:
    draft.files["spec.json"] = b"{"


@malformed("spec.json: content: Invalid JSON")
def deeply_nested_json(draft: Draft) -> None:
    draft.files["spec.json"] = b"[" * 100_000


@malformed("spec.json: hardware: Extra inputs are not permitted")
def unknown_key_of_the_spec(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(hardware="A100"))


@malformed("spec.json: seed: Field required")
def spec_without_seed(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: (spec.pop("seed") and None) or spec.pop("seed", None))


@malformed("spec.json: seed: Input should be a valid integer")
def seed_as_text(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(seed="0"))


@malformed("spec.json: seed is 7; the board has 0")
def other_seed(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(seed=7))


@malformed("spec.json: suite_hash is")
def other_suite_hash(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(suite_hash="0" * 64))


@malformed("spec.json: revision is 'r2'; the board has 'r1'")
def other_revision(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(revision="r2"))


@malformed("spec.json: split is 'train'; the board has 'test'")
def other_split(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(split="train"))


@malformed("spec.json: limit is 10; the board has None")
def first_ten_only(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(limit=10))


@malformed("spec.json: precision is 'bf16'; the board has 'fp32'")
def other_precision(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(precision="bf16"))


@malformed("spec.json: tf32 is True; allowed: False")
def rounded_products(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(tf32=True))


@malformed("spec.json: engine is 'reference'")
def other_engine(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(engine="reference"))


@malformed("spec.json: severities lack 5")
def severity_not_run(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(severities=[1, 3]))


@malformed("spec.json: tasks are vqa; the board has retrieval")
def other_task(draft: Draft) -> None:
    draft.json("spec.json", lambda spec: spec.update(tasks=["vqa"]))


@malformed("card.toml: cannot be read")
def broken_card(draft: Draft) -> None:
    draft.files["card.toml"] = b"name = "


@malformed("card.toml: cannot be read")
def card_that_is_not_utf8(draft: Draft) -> None:
    draft.files["card.toml"] = b"name = '\xff'"


@malformed("card.toml: licence: Field required")
def card_without_licence(draft: Draft) -> None:
    draft.text("card.toml", 'licence = "MIT"\n', "")


@malformed("card.toml: award: Extra inputs are not permitted")
def unknown_key_of_the_card(draft: Draft) -> None:
    draft.files["card.toml"] += b'award = "best"\n'


@malformed("card.toml: link: String should match pattern")
def script_as_link(draft: Draft) -> None:
    draft.text("card.toml", "https://example.org/clip", "javascript:alert(1)")


@malformed("card.toml: name: String should match pattern")
def markup_as_name(draft: Draft) -> None:
    draft.text("card.toml", "Clip small", "<img src=x onerror=alert(1)>")


@malformed("card.toml: parameters: Input should be greater than or equal to 0")
def negative_parameters(draft: Draft) -> None:
    draft.text("card.toml", "1000000", "-1")
