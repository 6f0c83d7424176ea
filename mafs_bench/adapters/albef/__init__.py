"""ALBEF in plain torch: align before fuse (Li et al., NeurIPS 2021, arXiv 2107.07651)."""
