"""Defaults that the command line names; it imports nothing else to show its help."""

MAX_PIXELS = 89_478_485
"""Images of more pixels are refused unless asked for: 256 MiB of RGB, Pillow's threshold for a decompression bomb."""

DEFAULT_SUITE = "core@2"
"""The suite of ``run``, ``corrupt``, ``preview``, ``list`` and the Python interface where none is named."""
