"""Repair without a model: localise, mutate, evaluate."""

from bot.repair.search.fixer import SearchFixer

__all__ = ["SearchFixer"]
