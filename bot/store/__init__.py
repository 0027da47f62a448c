"""The database: the truth that survives every process."""
