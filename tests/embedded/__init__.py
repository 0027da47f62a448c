"""The embedded GitHub, tested on itself and against the description that GitHub publishes."""
