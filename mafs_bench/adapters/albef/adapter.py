"""ALBEF as an adapter: two towers, re-ranking by the matching head, answers ranked by the decoder.

Li et al., NeurIPS 2021, arXiv 2107.07651. An argument is a checkpoint file, or a folder that holds one of
retrieval, one of question answering or both; see ``checkpoint`` for the files that may accompany them.

Specs: albef, albef:FOLDER
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from mafs_bench.adapters.albef.checkpoint import Checkpoint, digest, find_vocabulary, read_checkpoint
from mafs_bench.adapters.albef.images import Preprocess
from mafs_bench.adapters.albef.model import AlbefRetrieval, AlbefVqa
from mafs_bench.adapters.albef.text import Tokenizer
from mafs_bench.adapters.base import Adapter, Answer, Embeddings, Fused, Settings
from mafs_bench.adapters.cards import training_data_of
from mafs_bench.adapters.inference import inference, to_device, to_host
from mafs_bench.adapters.match_scores import RETRIEVAL, STATES, kept_for_matching, matching_logits
from mafs_bench.adapters.tiles import run_in_tiles, tile_rows
from mafs_bench.adapters.vectors import mean_of_pairs, unit_rows
from mafs_bench.errors import UsageError, WeightsError
from mafs_bench.types import FloatArray, Image

BUNDLED = Path(__file__).parents[2] / "weights" / "albef_scenes"
_RETRIEVAL, _ANSWERING = "retrieval and matching", "question answering"


class Albef(Adapter):
    """An ALBEF model. Missing images are the grey image, missing texts the empty one, both encoded.

    ``rerank`` is the checkpoint's k_test: that many candidates are put in the order of the matching logit
    alone, the similarity left out, as in the official evaluation.
    """

    public = "albef:FILE.pth, one of the checkpoints that salesforce/ALBEF links to"

    def __init__(self, name: str, files: Sequence[Path], settings: Settings, domain: str) -> None:
        """Read the files' heads; each model is built when it is first needed. ``load`` is the way in."""
        checkpoints = [read_checkpoint(file) for file in files]
        self._checkpoints = {checkpoint.answers: checkpoint for checkpoint in checkpoints}
        if len(self._checkpoints) < len(checkpoints):
            raise WeightsError(f"{files[0].parent}: more than one checkpoint of a kind; name the file")
        retrieval = self._checkpoints.get(False, checkpoints[0])
        self.name = name
        self.domain = domain
        vocabulary = find_vocabulary(files[0].parent)
        self.weights = digest(files, vocabulary)
        self.training_data = training_data_of(files[0].parent)
        self.rerank = retrieval.k_test
        self.unsupported = self._without_checkpoint()
        self.preprocess = Preprocess(retrieval.vision.size)
        self._settings = settings
        self._rows = tile_rows(torch.device(settings.device))
        self._tokenizer = Tokenizer.load(vocabulary)
        self._vocabulary: tuple[str, ...] = ()

    @classmethod
    def load(cls, argument: str, settings: Settings) -> Self:
        """Load the checkpoints that ``argument`` names; "" is the bundled pair made for ``scenes``.

        Raises ``WeightsError`` for files that are missing, unreadable or of no ALBEF.
        """
        if argument == "":
            return cls("albef", _checkpoint_files(BUNDLED), settings, domain="scenes")
        return cls(f"albef:{argument}", _checkpoint_files(Path(argument).expanduser()), settings, domain="")

    def encode_pixels(self, pixels: npt.NDArray[Any]) -> Embeddings:
        """Encode float32 (n, 3, size, size) of ``preprocess``; all token states are kept for the matching head."""
        return self.start_pixels(pixels)()

    def start_pixels(self, pixels: npt.NDArray[Any]) -> Callable[[], Embeddings]:
        """Begin ``encode_pixels``; only the function that is given back waits for the device."""
        model = self._retrieval
        with inference(self._settings):
            states = self._tiles(model.visual_encoder, to_device(pixels, torch.device(self._settings.device)))
            features = self._tiles(model.image_features, states)
        return kept_for_matching(features, states, self.name, self._settings)

    def read_tokens(self, texts: Sequence[str], *, cut: bool = True) -> Sequence[Sequence[int]]:
        """Token ids of n captions, cut at 30 words and 30 tokens or not."""
        if not cut:
            return self._tokenizer.whole_captions(texts)
        ids, mask = self._tokenizer.captions(texts)
        return [row[there == 1].tolist() for row, there in zip(ids, mask, strict=True)]

    def encode_texts(self, texts: Sequence[str]) -> Embeddings:
        """Encode n texts; ids and masks, int64 (n, 2, 30), are kept for the matching head."""
        tokens = np.stack(self._tokenizer.captions(texts), axis=1)
        model = self._retrieval
        with inference(self._settings):
            features = self._tiles(
                lambda tile: model.text_features(model.text_states(tile[:, 0], tile[:, 1])),
                torch.tensor(tokens),
            )
        vectors = unit_rows(to_host(features), self.name, "text")
        present = np.array([text != "" for text in texts], dtype=bool)
        return Embeddings(vectors, present, states={STATES: tokens})

    def score_pairs(self, images: Embeddings, texts: Embeddings) -> FloatArray:
        """Logits of a match, float32 (n,)."""
        return self._matching_logits(images, texts)[:, 1].numpy()

    def match_probabilities(self, images: Embeddings, texts: Embeddings) -> FloatArray:
        """Probabilities of a match, float32 (n,)."""
        return self._matching_logits(images, texts).softmax(dim=-1)[:, 1].numpy()

    def fuse(self, images: Embeddings, texts: Embeddings) -> Fused:
        """Fixed fusion of the two towers: the normalised mean of both vectors, present or not."""
        return mean_of_pairs(images, texts, self.name)

    def prepare_answers(self, vocabulary: Sequence[str]) -> None:
        """Set the candidate answers. Raises ``UsageError`` if there are none."""
        if not vocabulary:
            raise UsageError(f"{self.name} ranks answers, and the data set names no answer to choose from")
        self._vocabulary = tuple(vocabulary)

    def answer(
        self, images: Sequence[Image], questions: Sequence[str], present: npt.NDArray[np.bool_]
    ) -> list[Answer]:
        """Rank the k_test likeliest answers; confidence is the best one's share among them.

        Questions run one by one, their answers as a batch: without padding, no result depends on the others.
        """
        model = self._vqa
        preprocess = Preprocess(self._checkpoints[True].vision.size)
        pixels = torch.tensor(np.stack([preprocess(image) for image in images]))
        answers = self._tensors(self._tokenizer.answers(self._vocabulary))
        with inference(self._settings):
            states = self._tiles(model.visual_encoder, pixels)
            return [
                self._answer_one(states[row : row + 1], question, answers)
                for row, question in enumerate(questions)
            ]

    def _answer_one(
        self, image_states: torch.Tensor, question: str, answers: tuple[torch.Tensor, torch.Tensor]
    ) -> Answer:
        checkpoint = self._checkpoints[True]
        positions = checkpoint.bert.max_position_embeddings
        ids, mask = self._tensors(self._tokenizer.questions([question], positions))
        states = self._vqa.encode_questions(image_states, ids, mask)
        k = min(checkpoint.k_test, len(self._vocabulary))
        order, shares = self._vqa.rank_answers(states, mask, *answers, k)
        return Answer(self._vocabulary[int(order[0, 0])], float(shares[0, 0]))

    def _matching_logits(self, images: Embeddings, texts: Embeddings) -> torch.Tensor:
        model = self._retrieval

        def match(states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return model.match(states, model.text_states(ids, mask), mask)

        return matching_logits(match, images, texts, self._settings)

    def _tiles(self, forward: Any, inputs: torch.Tensor) -> torch.Tensor:
        device = self._settings.device
        return run_in_tiles(lambda tile: forward(tile.to(device)), inputs, self._rows)

    def _tensors(
        self, ids_and_mask: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        ids, mask = (torch.tensor(array, device=self._settings.device) for array in ids_and_mask)
        return ids, mask

    @cached_property
    def _retrieval(self) -> AlbefRetrieval:
        model = self._build(answers=False, purpose=_RETRIEVAL)
        assert isinstance(model, AlbefRetrieval)
        return model

    @cached_property
    def _vqa(self) -> AlbefVqa:
        model = self._build(answers=True, purpose=_ANSWERING)
        assert isinstance(model, AlbefVqa)
        return model

    def _build(self, answers: bool, purpose: str) -> AlbefRetrieval | AlbefVqa:
        checkpoint: Checkpoint | None = self._checkpoints.get(answers)
        if checkpoint is None:
            raise WeightsError(self._absent(purpose))
        return checkpoint.build().to(self._settings.device)

    def _without_checkpoint(self) -> dict[str, str]:
        """Capabilities for which there is no checkpoint, each with the reason."""
        absent = {} if True in self._checkpoints else {"answer": self._absent(_ANSWERING)}
        if False not in self._checkpoints:
            absent |= dict.fromkeys(RETRIEVAL, self._absent(_RETRIEVAL))
        return absent

    def _absent(self, purpose: str) -> str:
        return f"{self.name} has no checkpoint of {purpose}; put one into a folder with the other"


def _checkpoint_files(path: Path) -> list[Path]:
    """The file itself, or the ``.pth`` files of a folder: at most one of each kind."""
    if path == BUNDLED and not path.is_dir():
        raise WeightsError(
            "the bundled ALBEF is not installed; make it with 'mafs-bench train albef', or name a checkpoint: "
            "albef:FILE.pth"
        )
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.pth"))
    if not files:
        raise WeightsError(f"{path}: no checkpoint (*.pth) in this folder")
    return files
