"""The Run: its pipeline and its stages."""
