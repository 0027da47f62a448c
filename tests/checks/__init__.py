"""Checks and toolchains, on golden output of the real tools and on tiny projects in the real sandbox."""
