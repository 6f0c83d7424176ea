"""A model of your own for mafs-bench. Try it with

    mafs-bench check-adapter FILE:MyModel
    mafs-bench run --model FILE:MyModel --corruption gaussian --limit 100

This file runs as it is, with two small hand-made encoders. Put your model in their place.
"""

import zlib

import numpy as np

from mafs_bench.adapters.base import Adapter

DIMENSIONS = 64


class MyModel(Adapter):
    """A dual encoder: images and texts to unit vectors of one space, compared by dot product.

    Override only what your model can do; the other methods of ``Adapter`` say "not supported". Further methods:
    fuse (image and text into one query), match_probabilities, score_pairs, answer (questions), caption.
    """

    name = "my-model"  # what tables call it
    domain = ""  # "photo" or "scenes" where it was trained on one of them
    # weights = "..."  # SHA-256 of the weights; without it the code is hashed, which does not distinguish checkpoints

    @classmethod
    def load(cls, argument, settings):
        """Build the model. ``argument`` is what follows the class: FILE:MyModel:ARGUMENT ("" for nothing).

        settings.device is "cpu", "cuda" or "mps"; settings.precision is "fp32", "bf16" or "fp16". For torch:
            model = cls()
            model.network = build(argument).eval().to(settings.device)   # eval(): no dropout, fixed batch norm
        """
        return cls()

    def encode_images(self, images):
        """Encode a list of uint8 RGB arrays (H, W, 3), each of its own size, at most --batch-size of them.

        Return a float32 numpy array (n, d), one row per image, each of length 1 (tensor.float().cpu().numpy()).
        """
        return unit([np.resize(image.mean(axis=1), DIMENSIONS) - 127 for image in images])

    def encode_texts(self, texts):
        """Encode a list of str, at most --batch-size of them; "" must have a vector too (a missing text).

        A row must not depend on the others: mask what you pad.
        """
        return unit([word_counts(text) for text in texts])


def word_counts(text):
    """Count words by their checksums; the last entry keeps the vector of "" from being zero."""
    counts = np.zeros(DIMENSIONS)
    for word in text.lower().split():
        counts[zlib.crc32(word.encode()) % (DIMENSIONS - 1)] += 1
    counts[-1] = 0.1
    return counts


def unit(rows):
    """Scale rows to length 1, as float32."""
    array = np.array(rows, dtype=np.float64)
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float32)
