"""Style transfer by adaptive instance normalisation, AdaIN (Huang and Belongie, ICCV 2017, arXiv 1703.06868).

  t = (1 - α) f(c) + α (σ(f(s)) (f(c) - μ(f(c))) / σ(f(c)) + μ(f(s))), output = g(t)
f is VGG-19 up to relu4_1 and g the decoder that mirrors it; mean and deviation are a channel's, over places. The
folder that ``MAFS_BENCH_ADAIN`` names holds ``vgg_normalised.pth`` and ``decoder.pth`` (state dicts of the usual
PyTorch port, layers numbered as below) and the images in ``styles/``; nothing is downloaded. One style is drawn a
sample, for all severities.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mafs_bench.corruptions.base import ImageOperator, digest_of_files
from mafs_bench.corruptions.image.files import read_colour
from mafs_bench.errors import DataError, UsageError
from mafs_bench.types import Image, Params

_FOLDER = "MAFS_BENCH_ADAIN"
_STYLE_SIDE = 512
"""Short side of a style image, as in the paper."""
_EPSILON = 1e-5

_ENCODER = (3, 64, 64, "pool", 128, 128, "pool", 256, 256, 256, 256, "pool", 512)
_DECODER = (256, "up", 256, 256, 256, 128, "up", 128, 64, "up", 64, 3)


def _sample(rng: np.random.Generator, size: tuple[int, int], levels: Sequence[Params]) -> float:
    """Which style, in [0, 1): its place in the sorted folder."""
    return float(rng.random())


def _apply(image: Image, draws: float, params: Params) -> Image:
    import torch

    folder = _folder()
    encoder, decoder = _networks(folder)
    styles = _styles(folder)
    style = _style_of(styles[int(draws * len(styles))])
    height, width, _ = image.shape
    with torch.inference_mode():
        content, (mean, deviation) = encoder(_tensor(image)), _statistics(encoder(_tensor(style)))
        own_mean, own_deviation = _statistics(content)
        styled = (content - own_mean) / own_deviation * deviation + mean
        pixels = decoder(torch.lerp(content, styled, params["strength"]))[0, :, :height, :width]
    out: Image = np.rint(pixels.clamp(0, 1).permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    return out


def _tensor(image: Image) -> Any:
    import torch

    return torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]


def _statistics(features: Any) -> tuple[Any, Any]:
    """Mean and deviation of each channel over places: (1, C, h, w) -> (1, C, 1, 1) twice."""
    variance = features.var(dim=(2, 3), keepdim=True) if features[0, 0].numel() > 1 else features * 0
    return features.mean(dim=(2, 3), keepdim=True), (variance + _EPSILON).sqrt()


def _folder() -> Path:
    named = os.environ.get(_FOLDER)
    if not named:
        raise UsageError(
            f"stylize is not available: name a folder with vgg_normalised.pth, decoder.pth and styles/ in {_FOLDER}"
        )
    return Path(named)


@lru_cache(maxsize=2)
def _networks(folder: Path) -> tuple[Any, Any]:
    """Encoder and decoder. Raises ``UsageError`` naming the file that does not fit."""
    return _load(_encoder(), folder / "vgg_normalised.pth"), _load(_decoder(), folder / "decoder.pth")


def _load(network: Any, file: Path) -> Any:
    import torch

    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        wanted = network.state_dict()
        network.load_state_dict({name: state[name] for name in wanted})
    except Exception as error:  # what torch raises for a broken file is of many kinds
        reason = " ".join(str(error).split())[:120]
        raise UsageError(f"stylize is not available: {file} cannot be loaded ({reason})") from error
    return network.eval()


def _encoder() -> Any:
    """VGG-19 to relu4_1 behind a 1x1 layer that normalises colours; pooling rounds up."""
    from torch import nn

    layers: list[Any] = [nn.Conv2d(3, 3, 1)]
    width = 3
    for step in _ENCODER[1:]:
        if isinstance(step, str):
            layers.append(nn.MaxPool2d(2, 2, ceil_mode=True))
        else:
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(width, step, 3), nn.ReLU()]
            width = step
    return nn.Sequential(*layers)


def _decoder() -> Any:
    from torch import nn

    layers: list[Any] = []
    width = 512
    for step in _DECODER:
        if isinstance(step, str):
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
        else:
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(width, step, 3), nn.ReLU()]
            width = step
    return nn.Sequential(*layers[:-1])  # no rectifier behind the colours


@lru_cache(maxsize=2)
def _styles(folder: Path) -> tuple[Path, ...]:
    found = sorted(
        path for path in (folder / "styles").glob("[!.]*") if path.suffix.lower() in (".jpg", ".jpeg", ".png")
    )
    if not found:
        raise UsageError(f"stylize is not available: no .jpg or .png in {folder / 'styles'}")
    return tuple(found)


@lru_cache(maxsize=8)
def _style_of(file: Path) -> Image:
    try:
        read = read_colour(file, "the style")
    except DataError as error:
        raise UsageError(f"stylize is not available: {error}") from error
    height, width = read.shape[:2]
    scale = _STYLE_SIDE / min(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(read, size, interpolation=cv2.INTER_AREA)


def _assets(params: Params) -> dict[str, str]:
    """SHA-256 of encoder, decoder and styles. Raises ``UsageError`` without them."""
    folder = _folder()
    _networks(folder)  # says in one line what is missing
    networks = [folder / "vgg_normalised.pth", folder / "decoder.pth"]
    return {"adain": _digest(tuple(networks)), "adain styles": _digest(_styles(folder))}


@lru_cache(maxsize=4)
def _digest(files: tuple[Path, ...]) -> str:
    return digest_of_files(files)


stylize = ImageOperator(_sample, _apply, {"strength": (0.0, 1.0)}, _assets)
