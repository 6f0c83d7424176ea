"""What calibration finds out about a backbone from clean pairs."""

import pytest
import torch
from torch.nn.functional import normalize

from mafs_bench.mafs.bank import EmbeddingBank
from mafs_bench.mafs.calibrate import BALANCES, bundled_scheduler, transfer
from mafs_bench.mafs.fusion import FusionInput
from mafs_bench.mafs.signals import pair_signals
from mafs_bench.mafs.weights import load


def bank(noise_of_images: float, noise_of_texts: float, captions: int = 2, n: int = 200) -> EmbeddingBank:
    """Images and captions of a common truth, each with noise of its own."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(n, 24, generator=generator)
    owner = torch.arange(n).repeat_interleave(captions)
    images = normalize(truth + noise_of_images * torch.randn(n, 24, generator=generator), dim=-1)
    texts = truth[owner] + noise_of_texts * torch.randn(n * captions, 24, generator=generator)
    true_of = owner[None] == torch.arange(n)[:, None]
    return EmbeddingBank(images[:, None], normalize(texts, dim=-1)[:, None], {}, owner, true_of)


def mean_image_weight(pairs: EmbeddingBank) -> float:
    weights, _ = transfer(load(bundled_scheduler("mafs")), "b" * 64, pairs, 0)
    v, t = pairs.images[pairs.owner, 0], pairs.texts[:, 0]
    signals = pair_signals(weights.prototypes, v, t, {})
    with torch.inference_mode():
        _, alpha = weights.fused(FusionInput(v, t, signals, torch.ones(len(v), 2)))
    return float(alpha[:, 0].mean())


def test_the_side_that_says_more_gets_more_weight():
    assert mean_image_weight(bank(4.0, 1.0)) < 0.3
    assert mean_image_weight(bank(1.0, 4.0)) > 0.7


def test_with_one_caption_an_image_the_balance_stays_as_trained():
    _, chosen = transfer(load(bundled_scheduler("mafs")), "b" * 64, bank(4.0, 0.3, captions=1), 0)
    assert chosen.balance == 0


def test_what_was_chosen_is_said():
    _, chosen = transfer(load(bundled_scheduler("mafs")), "b" * 64, bank(4.0, 1.0), 0)
    assert chosen.balance in BALANCES
    assert chosen.balance < 0
    assert f"{chosen.projections}, balance {chosen.balance} (held-out R@1 identity " in chosen.describe()
    assert max(chosen.scores.values()) == pytest.approx(chosen.scores[chosen.projections])
