"""The fusion study: does MA-AFS beat the fusions that it is held against, where, and why."""
