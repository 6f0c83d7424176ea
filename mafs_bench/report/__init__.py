"""Figures, tables and the HTML report, made from stored results alone: no models, no torch."""
