"""Caption metrics against pycocoevalcap side by side: its Python parts on our tokens, its tokenizer where Java is."""

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from mafs_bench.metrics.caption_tokens import tokenize
from mafs_bench.metrics.captioning import CAPTIONING_METRICS, caption_statistics

pytest.importorskip("pycocoevalcap", reason="pycocoevalcap is not installed")

COCO = Path(__file__).parents[2].parent / "shared" / "data" / "coco-mini" / "dataset_coco.json"
WORDS = [
    "a",
    "the",
    "man",
    "dog",
    "red",
    "blue",
    "on",
    "in",
    "sits",
    "with",
    "street",
    ".",
    ",",
    "!",
    "'s",
    "is",
]
BY_NAME = {metric.name: metric for metric in CAPTIONING_METRICS}


def made_up(seed: int, n_images: int) -> tuple[list[str], list[list[str]]]:
    rng = random.Random(seed)

    def sentence(least: int) -> str:
        return " ".join(rng.choices(WORDS, k=rng.randint(least, 12)))

    hypotheses = [sentence(0) for _ in range(n_images)]
    return hypotheses, [[sentence(1) for _ in range(rng.randint(1, 5))] for _ in range(n_images)]


def real() -> tuple[list[str], list[list[str]]]:
    if not COCO.is_file():
        pytest.skip("the shared photos are not here")
    images = json.loads(COCO.read_text(encoding="utf-8"))["images"]
    captions = [[sentence["raw"] for sentence in image["sentences"]] for image in images]
    return [texts[0] for texts in captions], [texts[1:] for texts in captions]


CORPORA = {"one image": (1, 1), "two": (2, 2), "sixty": (3, 60)}


@pytest.mark.parametrize("corpus", [*CORPORA, "coco"])
def test_bleu_rouge_cider(corpus: str) -> None:
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    hypotheses, references = made_up(*CORPORA[corpus]) if corpus in CORPORA else real()
    frame = caption_statistics(hypotheses, references)
    truth = {i: [" ".join(tokenize(text)) for text in texts] for i, texts in enumerate(references)}
    given = {i: [" ".join(tokenize(text))] for i, text in enumerate(hypotheses)}
    bleu, bleu_images = Bleu(4).compute_score(truth, given, verbose=0)
    expected = {f"bleu_{n + 1}": (bleu[n], bleu_images[n]) for n in range(4)}
    expected["rouge_l"] = Rouge().compute_score(truth, given)
    expected["cider_d"] = Cider().compute_score(truth, given)
    for name, (total, images) in expected.items():
        columns = BY_NAME[name].columns(frame)
        assert BY_NAME[name].value(columns.sum(0)) == pytest.approx(total, abs=1e-9), name
        np.testing.assert_allclose(BY_NAME[name].value(columns), images, atol=1e-9, err_msg=name)


HARD = """\
The man's dogs' bowls don't, can't; isn't it? They'll cannot gonna I'm we've she'd you're
"Quoted" 'single' “curly” ‘quotes’ ``ticks''
A t-shirt, a four-wheeler and a walk-in/drive-in at 3:30 p.m. on St. Louis Ave. near Mr. Smith's, etc.
10,000 people paid $2.50 or £5 or 50% (1/2) in the '90s and 1990's: 12/12/2012
wait... no!!! what?! em--dash – and — so. The U.S. and the U.K.
#1 @home AT&T rock & roll b&w w/o [brackets] {braces} http://www.x.com
one o'clock surfing .A cat ,a dog;a bird man.dog under_score 3D 5x3 1st
a sign reading "stop"sign a.b. x-ray 5¢ 20°C ½ cup café naïve"""


@pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java")
def test_tokens_equal_the_java_tokenizer() -> None:
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    captions = HARD.split("\n") + [
        text for texts in (real() if COCO.is_file() else ((), ()))[1] for text in texts
    ]
    expected = PTBTokenizer().tokenize({i: [{"caption": text}] for i, text in enumerate(captions)})
    different = [
        (text, expected[i][0], ours)
        for i, text in enumerate(captions)
        if " ".join((ours := " ".join(tokenize(text))).split()) != " ".join(expected[i][0].split())
    ]
    assert different == []
