"""The rungs of the repair ladder on small wrong programs."""
