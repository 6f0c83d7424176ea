"""Leaderboards: submissions of per-sample scores, and the tables that are recomputed from them."""
