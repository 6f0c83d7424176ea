"""Figures, tables and the HTML report, made only from stored results, without models or torch."""
