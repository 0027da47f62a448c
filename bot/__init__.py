"""Fettle keeps repositories in good health: a self-hosted GitHub App. The map is ARCHITECTURE.md."""

__version__ = "0.1.0"
