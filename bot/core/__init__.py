"""Pure words and rules: no I/O, importable by every layer above."""
