"""Linters, type checkers, test runners and scanners: command in, findings out."""
