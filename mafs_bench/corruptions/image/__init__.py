"""Image operators: uint8 (H, W, 3) in, the same out."""
