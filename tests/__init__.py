"""Tests that speak the domain."""
