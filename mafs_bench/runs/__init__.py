"""From a request to stored per-sample scores: plan, execute, store."""
