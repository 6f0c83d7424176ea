"""The reference engine: ``imagecorruptions`` 1.1.2, unchanged, on today's libraries.

The library's source is executed in a namespace of its own. What its era offered and today's libraries do
not (``pkg_resources``, ``scipy.ndimage.interpolation``, ``np.float_``, ``multichannel=``) is put into that
namespace only; nothing outside it is patched. Its random numbers come from a source that each call brings
along, kept in thread-local storage.
"""

from __future__ import annotations

import builtins
import importlib.util
import threading
import types
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mafs_bench.corruptions import suite as suites
from mafs_bench.errors import DataError, UnknownNameError, UsageError
from mafs_bench.types import Corruption, Image

_active = threading.local()


class RandomSource(Protocol):
    """What the library draws from: ``np.random.RandomState``, or anything with these methods of it."""

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Normal numbers."""

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Uniform numbers in [low, high)."""

    def poisson(self, lam: Any = 1.0, size: Any = None) -> Any:
        """Poisson counts."""

    def randint(self, low: Any, high: Any = None, size: Any = None) -> Any:
        """Whole numbers in [low, high)."""

    def random(self, size: Any = None) -> Any:
        """Uniform numbers in [0, 1)."""


def reference(name: str, image: Image, severity: int, source: RandomSource) -> Image:
    """Run the library's function ``name`` on an image (H, W, 3), uint8, drawing from ``source``. Thread-safe.

    Raises ``UnknownNameError`` for a name that the library does not have.
    """
    import PIL.Image

    functions = _library()
    if name not in functions:
        raise UnknownNameError("corruption of the reference engine", name, functions)
    previous = getattr(_active, "source", None)
    _active.source = source
    try:
        with np.errstate(all="ignore"):
            return np.array(functions[name](PIL.Image.fromarray(image), severity)).astype(np.uint8)
    finally:
        _active.source = previous


def corrupt(image: Image, corruption: Corruption, severity: int, rng: np.random.Generator) -> Image:
    """Apply one cell with the library's own draws, seeded from ``rng``.

    Raises ``UsageError`` where the library has no such corruption, or other constants than the suite.
    """
    published = suites.load("imagenet-c@1").corruptions.get(corruption.operator)
    if published is None or published.levels != corruption.levels:
        allowed = "the 19 corruptions of imagenet-c@1 with their published constants"
        raise UsageError(f"--engine reference: {corruption.name} of {corruption.suite}; allowed: {allowed}")
    source = np.random.RandomState(rng.integers(0, 1 << 32, size=8, dtype=np.uint32))
    return reference(corruption.operator, image, severity, source)


@lru_cache(maxsize=1)
def _library() -> dict[str, Callable[..., Any]]:
    """Execute the library's source and return its 19 functions by name."""
    folder = _package_folder()
    file = folder / "corruptions.py"
    namespace: dict[str, Any] = {
        "__name__": "imagecorruptions.corruptions",
        "__builtins__": {**vars(builtins), "__import__": _importer(folder), "print": lambda *text: None},
    }
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), namespace)
    namespace["np"] = _Numpy()
    namespace["sk"] = _skimage()
    namespace["gaussian"] = _gaussian
    return {name: namespace[name] for name in _NAMES}


_NAMES = (
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise",
    "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "gaussian_blur",
    "snow", "frost", "fog", "spatter", "brightness",
    "contrast", "elastic_transform", "pixelate", "jpeg_compression", "saturate",
)  # fmt: skip


def _package_folder() -> Path:
    spec = importlib.util.find_spec("imagecorruptions")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("the reference engine needs the package imagecorruptions, which is not installed")
    return Path(spec.submodule_search_locations[0])


def _importer(folder: Path) -> Callable[..., Any]:
    """Make an ``__import__`` that knows the two modules which no longer exist."""
    import scipy.ndimage

    stand_ins = {
        "pkg_resources": types.SimpleNamespace(resource_filename=lambda package, path: str(folder / path)),
        "scipy.ndimage.interpolation": scipy.ndimage,
    }

    def find(name: str, *rest: Any) -> Any:
        return stand_ins[name] if name in stand_ins else builtins.__import__(name, *rest)

    return find


class _Numpy:
    """numpy as the library sees it: its random numbers come from the caller's source."""

    float_ = np.float64

    @property
    def random(self) -> RandomSource:
        source: RandomSource = _active.source
        return source

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


class _SourceGenerator(np.random.Generator):
    """A generator whose uniforms come from the caller's source; what ``random_noise`` draws from."""

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        return _active.source.random(size)


def _skimage() -> Any:
    from skimage import color
    from skimage.util import random_noise as skimage_noise

    generator = _SourceGenerator(np.random.PCG64(0))

    def random_noise(image: Any, **options: Any) -> Any:
        return skimage_noise(image, rng=generator, **options)

    return types.SimpleNamespace(color=color, util=types.SimpleNamespace(random_noise=random_noise))


def _gaussian(image: Any, *args: Any, multichannel: bool = False, **options: Any) -> Any:
    from skimage import filters

    return filters.gaussian(image, *args, channel_axis=-1 if multichannel else None, **options)
