"""MA-AFS: signals in their ranges, exact zeros, gradients, and what training must be able to learn."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
import torch

from mafs_bench.corruptions import suite as suites
from mafs_bench.corruptions.base import PairItem
from mafs_bench.corruptions.engine import plan_pairs
from mafs_bench.errors import WeightsError
from mafs_bench.mafs.bank import MODES, EmbeddingBank, draw_batch
from mafs_bench.mafs.catalogue import fusion_names, get_fusion
from mafs_bench.mafs.cross_modal import CrossModalFusion
from mafs_bench.mafs.fusion import FusionInput
from mafs_bench.mafs.scheduler import Scheduler, masked_softmax
from mafs_bench.mafs.signals import (
    PLAIN_SIGNALS,
    fit_prototypes,
    jensen_shannon,
    normalised_entropy,
    pair_signals,
)
from mafs_bench.mafs.training import Budget, train_fused
from mafs_bench.mafs.weights import FusionWeights, load, save

DIM = 16


def unit(n: int, seed: int, dim: int = DIM) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(n, dim, generator=generator), dim=-1)


def bank(n: int = 200) -> EmbeddingBank:
    """Images and texts that agree when clean and are noise when corrupted."""
    image = unit(n, 0)
    owner = torch.arange(n).repeat_interleave(2)
    text = torch.nn.functional.normalize(image[owner] + 0.3 * unit(2 * n, 1), dim=-1)
    images = torch.stack([image, unit(n, 2), unit(n, 3)], dim=1)
    texts = torch.stack([text, unit(2 * n, 4), unit(2 * n, 5)], dim=1)
    tokens = {name: torch.rand(2 * n, 3) for name in ("text_fertility", "text_fragments")}
    return EmbeddingBank(images, texts, tokens, owner, owner[None] == torch.arange(n)[:, None])


def pairs_of(n: int = 8, present: torch.Tensor | None = None) -> FusionInput:
    v, t = unit(n, 6), unit(n, 7)
    prototypes = fit_prototypes(unit(100, 8), unit(100, 9), 8, torch.Generator().manual_seed(0))
    tokens = {"text_fertility": torch.ones(n), "text_fragments": torch.zeros(n)}
    there = torch.ones(n, 2) if present is None else present
    return FusionInput(v, t, pair_signals(prototypes, v, t, tokens), there, torch.zeros(n, 2))


def test_entropy_is_scipys_over_log_k() -> None:
    logits = torch.randn(20, 7, generator=torch.Generator().manual_seed(0))
    expected = scipy.stats.entropy(logits.softmax(-1).numpy(), axis=1) / math.log(7)
    np.testing.assert_allclose(normalised_entropy(logits).numpy(), expected, atol=1e-6)


def test_divergence_is_scipys() -> None:
    p, q = (torch.randn(20, 7, generator=torch.Generator().manual_seed(s)).log_softmax(-1) for s in (0, 1))
    expected = scipy.spatial.distance.jensenshannon(p.exp().numpy(), q.exp().numpy(), base=2, axis=1) ** 2
    np.testing.assert_allclose(jensen_shannon(p, q).numpy(), expected, atol=1e-6)


def test_signals_stay_in_their_ranges() -> None:
    signals = pairs_of(200).signals
    for name in ("image_entropy", "text_entropy", "divergence"):
        assert float(signals[name].min()) >= -1e-6
        assert float(signals[name].max()) <= 1 + 1e-6
    assert float(signals["agreement"].abs().max()) <= 1 + 1e-6


def test_temperatures_put_the_mean_entropy_at_one_half() -> None:
    v, t = unit(400, 0), unit(400, 1)
    prototypes = fit_prototypes(v, t, 16, torch.Generator().manual_seed(0))
    assert float(prototypes.image_entropy(v).mean()) == pytest.approx(0.5, abs=0.01)
    assert float(prototypes.text_entropy(t).mean()) == pytest.approx(0.5, abs=0.01)


def test_a_missing_modality_weighs_exactly_nothing() -> None:
    present = torch.tensor([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    alpha = masked_softmax(torch.tensor([[3.0, -2.0]]).expand(4, 2), present)
    assert alpha[1].tolist() == [0.0, 1.0]
    assert alpha[2].tolist() == [1.0, 0.0]
    assert alpha[3].tolist() == [0.0, 0.0]
    assert float(alpha[0].sum()) == pytest.approx(1.0)


def test_masked_softmax_has_finite_gradients() -> None:
    scores = torch.zeros(4, 2, requires_grad=True)
    present = torch.tensor([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    masked_softmax(scores, present).square().sum().backward()
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()


@pytest.mark.parametrize("name", sorted(fusion_names()))
def test_every_fusion_gives_unit_vectors_and_masks(name: str) -> None:
    present = torch.tensor([[1.0, 1.0]] * 4 + [[0.0, 1.0]] * 2 + [[1.0, 0.0]] * 2)
    pairs = pairs_of(8, present)
    torch.manual_seed(0)
    z, alpha = get_fusion(name).make(DIM)(pairs)
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(8))
    torch.testing.assert_close(alpha.sum(-1), torch.ones(8))
    assert (alpha[4:6, 0] == 0).all()
    assert (alpha[6:, 1] == 0).all()


@pytest.mark.parametrize("name", sorted(set(fusion_names()) - {"concat"}))
def test_a_missing_image_leaves_the_text_alone(name: str) -> None:
    torch.manual_seed(0)
    fusion = get_fusion(name).make(DIM)
    pairs = pairs_of(6, torch.tensor([[0.0, 1.0]] * 6))
    z, _ = fusion(pairs)
    torch.testing.assert_close(z, torch.nn.functional.normalize(fusion.text(pairs.t), dim=-1))


def test_an_untrained_scheduler_is_the_mean() -> None:
    alpha = Scheduler(PLAIN_SIGNALS)(pairs_of().signals, torch.ones(8, 2))
    torch.testing.assert_close(alpha, torch.full((8, 2), 0.5))


def test_training_lowers_the_loss_and_learns_to_distrust_noise() -> None:
    data = bank()
    prototypes = fit_prototypes(data.images[:, 0], data.texts[::2, 0], 16, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    fusion = get_fusion("mafs").make(DIM)
    curve = train_fused(fusion, prototypes, data, Budget(steps=300, batch=64), seed=0)
    assert np.mean(curve[-20:]) < np.mean(curve[:20])
    n = len(data.images)
    own = torch.arange(n) * 2
    v_noise, t_clean = data.images[:, 1], data.texts[own, 0]
    there = torch.ones(n, 2)

    def image_weight(v: torch.Tensor) -> float:
        signals = pair_signals(prototypes, v, t_clean, {})
        return float(fusion.weigh(FusionInput(v, t_clean, signals, there))[:, 0].detach().mean())

    assert image_weight(v_noise) < image_weight(data.images[:, 0])


def test_equal_seeds_train_equal_weights() -> None:
    def trained() -> torch.Tensor:
        data = bank(80)
        prototypes = fit_prototypes(
            data.images[:, 0], data.texts[::2, 0], 8, torch.Generator().manual_seed(0)
        )
        torch.manual_seed(3)
        fusion = get_fusion("mafs").make(DIM)
        train_fused(fusion, prototypes, data, Budget(steps=5, batch=16), seed=3)
        return torch.cat([p.detach().flatten() for p in fusion.parameters()])

    assert torch.equal(trained(), trained())


def test_evidence_is_a_log_probability() -> None:
    fusion = CrossModalFusion(DIM, 50, PLAIN_SIGNALS)
    fusion.image_bank.copy_(unit(50, 1))
    fusion.text_bank.copy_(unit(50, 2))
    fusion.tau.fill_(0.1)
    pairs = pairs_of()
    score, alpha = fusion(
        pairs.signals["agreement"],
        fusion.image_mass(pairs.v),
        fusion.text_mass(pairs.t),
        pairs.signals,
        pairs.present,
    )
    bank_and_own = torch.cat([pairs.v[0] @ fusion.text_bank.T, (pairs.v[0] @ pairs.t[0])[None]]) / 0.1
    other = torch.cat([pairs.t[0] @ fusion.image_bank.T, (pairs.v[0] @ pairs.t[0])[None]]) / 0.1
    expected = (bank_and_own.log_softmax(0)[-1] + other.log_softmax(0)[-1]) / 2
    torch.testing.assert_close(score[0], expected)
    torch.testing.assert_close(alpha, torch.full((8, 2), 0.5))


@pytest.mark.parametrize("name", ["mafs", "static", "qmf"])
def test_weights_survive_the_disk(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    prototypes = fit_prototypes(unit(100, 8), unit(100, 9), 8, torch.Generator().manual_seed(0))
    fused = get_fusion(name).make(DIM)
    weights = FusionWeights(name, "b" * 64, prototypes, fused, None, unit(1, 0)[0])
    save(weights, tmp_path / "w.safetensors")
    restored = load(tmp_path / "w.safetensors")
    pairs = pairs_of()
    for ours, theirs in zip(fused(pairs), restored.fused(pairs), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=0)  # half precision on disk
    assert restored.backbone == "b" * 64


def test_a_file_that_holds_no_fusion_is_named(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"w\.safetensors does not contain a fusion"):
        load(file)


def test_mismatched_pairs_of_training_are_those_of_the_benchmark() -> None:
    """Both ``pair_shuffle`` and training give a text the image of another sample; the text stays."""
    items = [PairItem(str(i), str(i), "a text") for i in range(200)]
    corruption = suites.load("core@1").corruptions["pair_shuffle"]
    plan = plan_pairs(items, corruption, 5, seed=0)
    assert (plan.text_from == np.arange(200)).all()
    assert (plan.image_from != np.arange(200)).any()
    made = bank()
    prototypes = fit_prototypes(made.images[:, 0], made.images[:, 0], 8, torch.Generator().manual_seed(0))
    batch = draw_batch(made, prototypes, 500, torch.Generator().manual_seed(1))
    mismatched = batch.mode == list(MODES).index("mismatched")
    assert (batch.image == made.owner[batch.text]).all()
    assert (batch.shown == batch.image)[~mismatched].all()
    assert (batch.shown != batch.image)[mismatched].float().mean() > 0.9
    assert batch.pairs.corrupted is not None
    assert (batch.pairs.corrupted[mismatched] == 1).all()
    here = batch.pairs.present.prod(1) > 0
    clean = here & (batch.mode != list(MODES).index("image"))
    torch.testing.assert_close(batch.pairs.v[clean], made.images[batch.shown[clean], 0])
