"""Leaderboards: submissions of per-sample scores, and the tables recomputed from them."""
