"""Metrics, significance and verdicts from arrays; NumPy and SciPy only."""
