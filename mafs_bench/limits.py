"""Limits that the command line names as defaults; it imports nothing else to show its help."""

MAX_PIXELS = 89_478_485
"""Images of more pixels are refused unless asked for: 256 MiB of RGB, Pillow's threshold for a decompression bomb."""
