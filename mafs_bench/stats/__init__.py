"""Robustness statistics on frames of per-sample scores."""
