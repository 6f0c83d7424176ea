"""The corruption engine: pure functions, found by name."""

from mafs_bench.registry import Registry

_IMAGE = "mafs_bench.operators.image"
_TEXT = "mafs_bench.operators.text"

OPERATORS = Registry(
    kind="operator",
    group="mafs_bench.operators",
    entries={
        "char_delete": f"{_TEXT}.characters:char_delete",
        "char_insert": f"{_TEXT}.characters:char_insert",
        "char_replace": f"{_TEXT}.characters:char_replace",
        "char_swap": f"{_TEXT}.characters:char_swap",
        "keyboard": f"{_TEXT}.characters:keyboard",
        "ocr": f"{_TEXT}.characters:ocr",
        "either_dropout": "mafs_bench.operators.pairs:either_dropout",
        "image_dropout": "mafs_bench.operators.pairs:image_dropout",
        "pair_shuffle": "mafs_bench.operators.pairs:pair_shuffle",
        "text_dropout": "mafs_bench.operators.pairs:text_dropout",
    },
)
