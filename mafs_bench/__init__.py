"""mafs-bench: a robustness benchmark suite for vision-language models."""

__version__ = "0.2.0"
