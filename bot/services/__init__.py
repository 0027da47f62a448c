"""One vendor, one module: git, GitHub, the queue, models."""
