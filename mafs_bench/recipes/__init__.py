"""Training of what the project bundles: backbones, schedulers, fusion baselines."""
