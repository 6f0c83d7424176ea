"""The corruption engine: pure functions, found by name."""

from mafs_bench.registry import Registry

_IMAGE = "mafs_bench.operators.image"
_TEXT = "mafs_bench.operators.text"

OPERATORS = Registry(
    kind="operator",
    group="mafs_bench.operators",
    entries={
        "gaussian_noise": f"{_IMAGE}.noise:gaussian_noise",
        "shot_noise": f"{_IMAGE}.noise:shot_noise",
        "impulse_noise": f"{_IMAGE}.noise:impulse_noise",
        "speckle_noise": f"{_IMAGE}.noise:speckle_noise",
        "defocus_blur": f"{_IMAGE}.blur:defocus_blur",
        "glass_blur": f"{_IMAGE}.blur:glass_blur",
        "motion_blur": f"{_IMAGE}.blur:motion_blur",
        "zoom_blur": f"{_IMAGE}.blur:zoom_blur",
        "gaussian_blur": f"{_IMAGE}.blur:gaussian_blur",
        "snow": f"{_IMAGE}.weather:snow",
        "frost": f"{_IMAGE}.weather:frost",
        "fog": f"{_IMAGE}.weather:fog",
        "spatter": f"{_IMAGE}.weather:spatter",
        "brightness": f"{_IMAGE}.digital:brightness",
        "contrast": f"{_IMAGE}.digital:contrast",
        "elastic_transform": f"{_IMAGE}.digital:elastic_transform",
        "pixelate": f"{_IMAGE}.digital:pixelate",
        "jpeg_compression": f"{_IMAGE}.digital:jpeg_compression",
        "saturate": f"{_IMAGE}.digital:saturate",
        "char_delete": f"{_TEXT}.characters:char_delete",
        "char_insert": f"{_TEXT}.characters:char_insert",
        "char_replace": f"{_TEXT}.characters:char_replace",
        "char_swap": f"{_TEXT}.characters:char_swap",
        "keyboard": f"{_TEXT}.characters:keyboard",
        "ocr": f"{_TEXT}.characters:ocr",
        "either_dropout": "mafs_bench.operators.pairs:either_dropout",
        "caption_mix": "mafs_bench.operators.pairs:caption_mix",
        "hard_pair_shuffle": "mafs_bench.operators.pairs:hard_pair_shuffle",
        "image_mix": "mafs_bench.operators.pairs:image_mix",
        "image_dropout": "mafs_bench.operators.pairs:image_dropout",
        "pair_shuffle": "mafs_bench.operators.pairs:pair_shuffle",
        "text_dropout": "mafs_bench.operators.pairs:text_dropout",
    },
)
