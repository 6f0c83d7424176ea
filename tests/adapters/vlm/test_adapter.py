"""Generative models of transformers: prompts, words, refusals, memory, re-ranking, and golden answers."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

from mafs_bench.adapters.base import ChoiceAsked, Settings
from mafs_bench.adapters.load import load
from mafs_bench.adapters.model_args import parse_model_args, split_dtype
from mafs_bench.adapters.vlm.adapter import VisionLanguage
from mafs_bench.errors import MafsBenchError, ResourceError, UnknownNameError, UsageError, WeightsError
from mafs_bench.runs.forward import Forward
from tests.support.tiny_vlms import write

GOLDEN = Path(__file__).parents[4] / "shared" / "golden"
PHOTOS = Path(__file__).parents[4] / "shared" / "data"


def golden() -> Path:
    if not (GOLDEN / "vlm_tiny").is_dir():
        pytest.skip("the golden data of the official implementations are not beside the project")
    return GOLDEN / "vlm_tiny"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("vlm") / "llava", "llava")


@pytest.fixture(scope="module")
def adapter(folder: Path) -> VisionLanguage:
    found = load(f"hf:{folder}", Settings())
    assert isinstance(found, VisionLanguage)
    return found


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_golden_answers_and_log_probabilities() -> None:
    model = load(f"hf:{golden()}", Settings())._model
    rows = json.loads((GOLDEN / "vlm_tiny.json").read_text())["rows"]
    files = {file.name: file for file in PHOTOS.rglob("*.jpg")}
    photos = [np.array(PILImage.open(files[row["image"]]).convert("RGB")) for row in rows]
    prompts = [row["prompt"] for row in rows]
    inputs = model.inputs(photos, prompts)
    for ids, mask, row in zip(inputs["input_ids"], inputs["attention_mask"], rows, strict=True):
        assert ids[mask.bool()].tolist() == row["input_ids"]
    made = model.generate(photos, prompts, 10)
    assert [list(one.ids) for one in made] == [row["output_ids"] for row in rows]
    assert [one.text for one in made] == [row["text"] for row in rows]
    first = model.first_token(photos, prompts)
    for own, row in zip(first, rows, strict=True):
        for token, log_probability in row["first_token_top5"]:
            assert own[token] == pytest.approx(log_probability, abs=1e-4)


def said(adapter: VisionLanguage, monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, str]]:
    """What the model is asked from now on: whether an image is shown, and the message."""
    asked: list[tuple[bool, str]] = []
    real = adapter._model.inputs

    def spy(images, messages, *rest):
        asked.extend((image is not None, message) for image, message in zip(images, messages, strict=True))
        return real(images, messages, *rest)

    monkeypatch.setattr(adapter._model, "inputs", spy)
    return asked


IMAGE = np.full((60, 80, 3), 90, dtype=np.uint8)


def test_a_missing_question_leaves_its_place_in_the_prompt_empty(
    adapter: VisionLanguage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = said(adapter, monkeypatch)
    adapter.answer([IMAGE], [""], np.array([[True, False]]))
    assert asked == [(True, "\nAnswer the question with a single word or a short phrase.")]


def test_a_missing_context_is_not_the_prompt_without_context(
    adapter: VisionLanguage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = said(adapter, monkeypatch)
    adapter.describe([IMAGE] * 3, ["", "a dog", ""], np.array([[True, False], [True, True], [False, True]]))
    frame = "Somebody described the image as: {}\nDescribe the image in one short sentence of your own."
    assert asked == [
        (True, frame.format("")),
        (True, frame.format("a dog")),
        (False, "Describe the image in one short sentence."),
    ]


def test_matching_is_the_share_of_yes_among_yes_and_no(adapter: VisionLanguage) -> None:
    texts, there = ["a dog", "two cats on a mat"], np.ones((2, 2), dtype=bool)
    words = adapter._model._tokenizer
    tokens = {
        word: [t for t in range(len(words)) if words.decode([t]).strip().lower() == word]
        for word in ("yes", "no")
    }
    assert len(tokens["yes"]) > 1
    messages = [f"Caption: {text}\nDoes the caption describe the image? Answer yes or no." for text in texts]
    first = np.exp(adapter._model.first_token([IMAGE] * 2, messages).astype(np.float64))
    yes, no = (first[:, tokens[word]].sum(axis=1) for word in ("yes", "no"))
    assert np.allclose(adapter.match_pairs([IMAGE] * 2, texts, there), yes / (yes + no), atol=1e-6)


def test_own_prompts_are_used_and_recorded(folder: Path, tmp_path: Path) -> None:
    from importlib import resources

    text = (resources.files("mafs_bench.prompts") / "prompts@1.toml").read_text(encoding="utf-8")
    file = tmp_path / "mine.toml"
    file.write_text(text.replace('yes = "yes"', 'yes = "ja"').replace('name = "prompts"', 'name = "mine"'))
    adapter = load(f"hf:{folder}", Settings(prompts=str(file)))
    assert adapter.prompts["name"] == "mine@1"
    assert adapter.prompts["file"] == str(file)
    assert not adapter.supports("match_pairs")
    assert adapter.unsupported["match_pairs"].startswith("'ja' is no single token of")


def test_max_new_tokens_and_precision(folder: Path) -> None:
    arguments, precision = split_dtype(parse_model_args("dtype=bfloat16,max_new_tokens=2"), "fp32")
    assert (arguments, precision) == ({"max_new_tokens": "2"}, "bf16")
    adapter = load(f"hf:{folder}", Settings(model_args=arguments, precision=precision))
    assert adapter._model._model.dtype == torch.bfloat16
    asked = adapter._model.generate([IMAGE], ["x"], adapter._tokens("captioning"))
    assert len(asked[0].ids) <= 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("max_new=3", "unknown model argument 'max_new'. Did you mean 'max_new_tokens'"),
        ("max_new_tokens=0", "whole number from 1"),
        ("load_in_4bit=maybe", "allowed are true and false"),
        ("chat_template=/nowhere", "No such file"),
        ("attn_implementation=none", "cannot be loaded"),
    ],
)
def test_wrong_model_arguments_are_one_line(folder: Path, given: str, message: str) -> None:
    with pytest.raises(MafsBenchError, match=message) as caught:
        load(f"hf:{folder}", Settings(model_args=parse_model_args(given)))
    assert "\n" not in str(caught.value)


def test_model_arguments_are_read_or_refused() -> None:
    assert parse_model_args(" a=1, b = x ") == {"a": "1", "b": "x"}
    assert parse_model_args({"load_in_4bit": True}) == {"load_in_4bit": "true"}
    for wrong in ("a", "a=", "=1", "a=1,a=2"):
        with pytest.raises(UsageError, match="--model-args"):
            parse_model_args(wrong)
    with pytest.raises(UsageError, match="allowed are float32, bfloat16, float16"):
        split_dtype({"dtype": "int8"}, "fp32")
    with pytest.raises(UsageError, match="give one of them"):
        split_dtype({"dtype": "float16"}, "bf16")


def test_options_of_generative_models_are_refused_elsewhere() -> None:
    for name in ("prompts", "first_stage"):
        with pytest.raises(UsageError, match=f"--{name.replace('_', '-')}: chance does not read it"):
            load("chance", Settings(**{name: "clip"}))


def _break(folder: Path, what: str) -> None:
    if what == "processor":
        for name in ("processor_config.json", "preprocessor_config.json"):
            (folder / name).unlink(missing_ok=True)
    elif what == "template":
        (folder / "chat_template.jinja").unlink()
    elif what == "weights":
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    else:
        config = json.loads((folder / "config.json").read_text())
        config = {**config, "model_type": what}
        if what == "own_code":
            config["auto_map"] = {"AutoModelForImageTextToText": "code.Model"}
            (folder / "code.py").write_text("raise SystemExit('executed')")
        (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("processor", "has no processor"),
        ("template", r"has no chat template; name a Jinja file: --model-args chat_template=FILE"),
        ("weights", r"no \*\.safetensors"),
        ("llama", r"is a text-only model \(llama\): it cannot be shown an image"),
        ("nonsense", "a model of the type 'nonsense'; hf: loads clip and siglip"),
        ("blip", "its spec is blip:"),
        ("own_code", "--trust-remote-code runs that code"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(copy: Path, what: str, message: str) -> None:
    _break(copy, what)
    with pytest.raises(WeightsError, match=message) as caught:
        load(f"hf:{copy}", Settings())
    assert "\n" not in str(caught.value)


def test_a_template_of_ones_own_takes_the_place_of_the_missing_one(copy: Path, tmp_path: Path) -> None:
    file = Path(shutil.move(copy / "chat_template.jinja", tmp_path / "mine.jinja"))
    adapter = load(f"hf:{copy}", Settings(model_args={"chat_template": str(file)}))
    assert adapter.answer([IMAGE], ["What?"], np.ones((1, 2), dtype=bool))


def test_identity_covers_the_chat_template(copy: Path, adapter: VisionLanguage) -> None:
    assert load(f"hf:{copy}", Settings()).weights == adapter.weights
    template = copy / "chat_template.jinja"
    template.write_text(template.read_text().replace("USER:", "HUMAN:"))
    assert load(f"hf:{copy}", Settings()).weights != adapter.weights


def test_out_of_memory_halves_the_batch_once_and_says_so() -> None:
    said: list[str] = []
    forward = Forward(load("chance", Settings()), 8, note=said.append)
    sizes: list[int] = []

    def run(part: slice) -> list[int]:
        sizes.append(part.stop - part.start)
        if sizes[-1] > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return list(range(part.start, part.stop))

    assert forward.in_parts(10, run) == list(range(10))
    assert sizes == [8, 4, 4, 2]
    assert said == ["out of memory at 8 images per batch; continuing with 4"]
    with pytest.raises(ResourceError, match="out of memory at 4 images per batch"):
        Forward(load("chance", Settings()), 8).in_parts(
            8,
            lambda part: (_ for _ in ()).throw(MemoryError()),  # type: ignore[arg-type]
        )
    with pytest.raises(RuntimeError, match="another"):
        forward.in_parts(1, lambda part: (_ for _ in ()).throw(RuntimeError("another")))  # type: ignore[arg-type]


def test_unknown_prompts_are_refused(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="prompts@1"):
        load(f"hf:{folder}", Settings(prompts="prompt@1"))


def test_a_first_stage_must_be_a_dual_encoder(folder: Path) -> None:
    with pytest.raises(UsageError, match="allowed is a model with encode_images and encode_texts"):
        load(f"hf:{folder}", Settings(first_stage=f"hf:{folder}"))


def test_options_are_chosen_by_the_letter_of_the_first_token(adapter: VisionLanguage) -> None:
    asked = [ChoiceAsked("Which?", ("a dog", "a cat", "a cow"), "look"), ChoiceAsked("What?", ("x", "y"))]
    shares = adapter.choose([IMAGE] * 2, asked, np.ones((2, 2), dtype=bool))
    words = adapter._model._tokenizer
    frame = "Answer with the letter of the right option."
    messages = [
        f"Hint: look\nWhich?\nA. a dog\nB. a cat\nC. a cow\n{frame}",
        f"What?\nA. x\nB. y\n{frame}",
    ]
    first = np.exp(adapter._model.first_token([IMAGE] * 2, messages).astype(np.float64))
    for row, own, n in zip(first, shares, (3, 2), strict=True):
        letters = [
            sum(row[token] for token in range(len(words)) if words.decode([token]).strip() == letter)
            for letter in "ABC"[:n]
        ]
        assert np.allclose(own, np.array(letters) / sum(letters), atol=1e-6)
