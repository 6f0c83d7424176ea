"""The fusion study: where and why MA-AFS beats its baselines, or does not."""
