"""Metrics: pure functions of per-sample records, each with its range, direction and source."""
