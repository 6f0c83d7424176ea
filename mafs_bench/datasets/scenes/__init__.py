"""Rendered scenes of coloured shapes with exact captions and questions: the bundled default.

Four domains show the same scenes: flat (the default), textured, sketch, night. Captions and questions do not
depend on the domain.
"""

from mafs_bench.datasets.scenes.load import load

__all__ = ["load"]
