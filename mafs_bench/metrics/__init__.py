"""Metrics: pure functions of per-sample scores, each with its range, direction and source. A task names its own."""
