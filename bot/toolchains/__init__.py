"""Detect a kind of project and install its dependencies."""
