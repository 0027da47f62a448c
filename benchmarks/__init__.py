"""Figures, measured: python -m benchmarks NAME --json."""
