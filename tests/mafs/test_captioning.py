"""The caption decoder: exact zeros, no look ahead, one path for training and writing, and what it must learn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mafs_bench.errors import WeightsError
from mafs_bench.mafs.bank import EmbeddingBank, draw_batch
from mafs_bench.mafs.caption_training import draw_captions, make_captioner, other_caption, train_captioner
from mafs_bench.mafs.caption_weights import CaptionerWeights, load_captioner, save_captioner
from mafs_bench.mafs.captioning import CaptionDecoder, Captioner, Inputs
from mafs_bench.mafs.catalogue import captioning_fusions, get_fusion
from mafs_bench.mafs.signals import fit_prototypes
from mafs_bench.mafs.training import Budget
from mafs_bench.mafs.vocabulary import END, PAD, START, Vocabulary

DIM, WORDS, LENGTH = 16, 12, 6


def unit(n: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(n, DIM, generator=generator), dim=-1)


def captioner(name: str = "mafs") -> Captioner:
    torch.manual_seed(0)
    prototypes = fit_prototypes(unit(50, 1), unit(50, 2), 8, torch.Generator().manual_seed(0))
    made = Captioner(get_fusion(name).make(DIM), CaptionDecoder(DIM, WORDS, LENGTH, width=16), prototypes)
    if name == "mafs":  # an untrained scheduler is the mean: give it something to say
        torch.nn.init.normal_(made.fusion.scheduler.body[2].weight)
    return made


def inputs(n: int = 4, image: float = 1.0, context: float = 1.0) -> Inputs:
    return Inputs(unit(n, 3), unit(n, 4), torch.tensor([[image, context]]).repeat(n, 1))


def words(n: int = 4) -> torch.Tensor:
    return torch.randint(4, WORDS, (n, LENGTH), generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("name", captioning_fusions())
def test_shapes_and_weights_that_sum_to_one(name: str) -> None:
    logits, alpha, alone, meaning = captioner(name)(inputs(), words())
    assert logits.shape == alone.shape == (4, LENGTH, WORDS)
    torch.testing.assert_close(alpha.sum(-1), torch.ones(4, LENGTH))
    torch.testing.assert_close(meaning.norm(dim=-1), torch.ones(4, LENGTH))


@pytest.mark.parametrize("name", captioning_fusions())
def test_a_missing_image_weighs_exactly_nothing(name: str) -> None:
    given, model = inputs(image=0.0), captioner(name)
    logits, alpha, alone, _ = model(given, words())
    assert (alpha[..., 0] == 0).all()
    assert (alpha[..., 1] == 1).all()
    assert torch.equal(logits, alone)
    other = Inputs(unit(4, 9), given.context, given.present)
    assert torch.equal(model(other, words())[0], logits)


def test_a_missing_context_is_not_read() -> None:
    given, model = inputs(context=0.0), captioner()
    other = Inputs(given.v, unit(4, 9), given.present)
    assert torch.equal(model(given, words())[0], model(other, words())[0])
    there = Inputs(given.v, given.context, torch.ones(4, 2))
    assert not torch.allclose(model(given, words())[0], model(there, words())[0])


def test_no_word_to_come_is_read() -> None:
    model, said = captioner(), words()
    changed = said.clone()
    changed[:, 3:] = 4 + (changed[:, 3:] - 3) % (WORDS - 4)
    torch.testing.assert_close(model(inputs(), said)[0][:, :3], model(inputs(), changed)[0][:, :3])
    assert not torch.allclose(model(inputs(), said)[0][:, 3:], model(inputs(), changed)[0][:, 3:])


def test_weights_are_chosen_at_every_position() -> None:
    alpha = captioner()(inputs(), words())[1][..., 0]
    assert (alpha.std(dim=1) > 0).all()


@pytest.mark.parametrize("name", captioning_fusions())
def test_writing_word_by_word_is_the_forward_pass(name: str) -> None:
    model = captioner(name)
    with torch.no_grad():
        said, weighed = model.write(inputs())
        heard = torch.nn.functional.pad(said[:, :-1], (1, 0), value=START)
        logits, alpha, _, _ = model(inputs(), heard)
    before_end = torch.cumsum(said == END, 1) - (said == END).int() == 0
    logits[..., [PAD, START, 3]] = -torch.inf
    assert torch.equal(logits.argmax(-1)[before_end], said[before_end])
    torch.testing.assert_close(alpha[before_end], weighed[before_end])
    assert (weighed[~before_end] == 0).all()


def test_gradients_reach_scheduler_and_decoder() -> None:
    model = captioner()
    logits, _, alone, meaning = model(inputs(), words())
    (logits.logsumexp(-1).sum() + alone.logsumexp(-1).sum() + meaning.sum()).backward()
    idle = ("fusion.image", "fusion.text")  # fused retrieval's projections
    for name, parameter in model.named_parameters():
        if not name.startswith(idle):
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().sum() > 0 or name.endswith("key_value.bias"), name


def bank(n: int = 24) -> tuple[EmbeddingBank, list[str]]:
    """Images whose two captions name their number: each can be told from its vector."""
    numbers = ["zero", "one", "two", "three", "four", "five", "six", "seven"]
    owner = torch.arange(n).repeat_interleave(2)
    captions = []
    for i in range(n):
        captions += [f"it is {numbers[i % 8]} {numbers[i // 8]}", f"it is {numbers[i % 8]} {numbers[i // 8]}"]
    images = torch.stack([unit(n, 0), unit(n, 1)], dim=1)
    texts = torch.stack([unit(n, 2)[owner], unit(2 * n, 3)], dim=1)
    return EmbeddingBank(images, texts, {}, owner, owner[None] == torch.arange(n)[:, None]), captions


def test_a_few_captions_are_learnt_by_heart() -> None:
    data, captions = bank()
    torch.manual_seed(0)
    prototypes = fit_prototypes(data.images[:, 0], data.texts[::2, 0], 8, torch.Generator().manual_seed(0))
    model, vocabulary, encoded = make_captioner(get_fusion("mafs").make(DIM), prototypes, captions)
    train_captioner(model, data, encoded, Budget(steps=120, batch=32, learning_rate=3e-3), seed=0)
    alone = Inputs(data.images[:, 0], torch.zeros(24, DIM), torch.tensor([[1.0, 0.0]]).repeat(24, 1))
    with torch.no_grad():
        said, _ = model.write(alone)
    right = [
        vocabulary.decode(row) == caption for row, caption in zip(said.tolist(), captions[::2], strict=True)
    ]
    assert sum(right) >= 20


def test_the_context_is_another_caption_of_the_image() -> None:
    data, _ = bank()
    prototypes = fit_prototypes(data.images[:, 0], data.texts[::2, 0], 8, torch.Generator().manual_seed(0))
    batch = draw_batch(data, prototypes, 100, torch.Generator().manual_seed(0))
    other = other_caption(data.owner, batch.text, batch.image, torch.Generator().manual_seed(0))
    assert (other != batch.text).all()
    assert torch.equal(data.owner[other], batch.image)
    shown = other_caption(data.owner, batch.text, batch.shown, torch.Generator().manual_seed(0))
    assert torch.equal(data.owner[shown], batch.shown)


def test_a_pair_with_anothers_image_always_has_its_context() -> None:
    data, captions = bank()
    prototypes = fit_prototypes(data.images[:, 0], data.texts[::2, 0], 8, torch.Generator().manual_seed(0))
    encoded = torch.arange(len(captions))[:, None] + 4  # every caption is one word of its own
    drawn = draw_captions(data, prototypes, encoded, 500, torch.Generator().manual_seed(0))
    described = data.owner[drawn.target[:, 0] - 4]
    shown = (drawn.inputs.v @ data.images.flatten(0, 1).T).argmax(1) // data.images.shape[1]
    wrong = shown != described
    assert 0.05 < wrong.float().mean() < 0.25
    assert (drawn.inputs.present[wrong].sum(1) == 2).all()
    assert 0.4 < drawn.inputs.present[:, 1].mean() < 0.7


def test_words_are_those_of_the_captions() -> None:
    made = Vocabulary.of(["A red-brown dog's ball.", "a Red-brown cat", "a"], least=2)
    assert made.words == ("a", "red-brown")
    ids = made.encode(["a red-brown fox"], 8)[0]
    assert ids.tolist() == [4, 5, 3, END, PAD, PAD, PAD, PAD]
    assert made.decode([4, 5, END, 4]) == "a red-brown"
    assert made.encode(["a a a"], 2).tolist() == [[4, 4]]


def test_a_captioner_survives_the_disk(tmp_path: Path) -> None:
    torch.manual_seed(0)
    prototypes = fit_prototypes(unit(50, 1), unit(50, 2), 8, torch.Generator().manual_seed(0))
    vocabulary = Vocabulary("abcdefgh")
    decoder = CaptionDecoder(DIM, len(vocabulary), LENGTH)
    model = Captioner(get_fusion("mafs").make(DIM), decoder, prototypes).eval()
    save_captioner(CaptionerWeights("mafs", "b" * 64, model, vocabulary), tmp_path / "w.safetensors")
    restored = load_captioner(tmp_path / "w.safetensors")
    assert restored.vocabulary.words == tuple("abcdefgh")
    assert (restored.backbone, len(restored.digest)) == ("b" * 64, 64)
    ours, theirs = (m(inputs(), words())[0] for m in (model, restored.captioner))
    torch.testing.assert_close(ours, theirs, atol=5e-2, rtol=0)  # half precision on disk


def test_a_file_that_holds_no_captioner_is_named(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"w\.safetensors does not contain a captioner"):
        load_captioner(file)
