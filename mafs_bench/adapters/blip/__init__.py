"""BLIP over transformers (Li et al., ICML 2022, arXiv 2201.12086)."""
