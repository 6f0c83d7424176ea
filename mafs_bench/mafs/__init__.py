"""MA-AFS: per-instance fusion weights from entropies and agreement (arXiv 2506.12733).

A reconstruction from the public abstract: a lightweight scheduler predicts the weights of image and text from
visual entropy, textual entropy and cross-modal agreement. The equations are this project's, not the paper's.
"""
