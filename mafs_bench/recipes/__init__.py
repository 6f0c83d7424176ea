"""Training of the bundled models: backbones, schedulers, fusion baselines."""
