"""Contract tests: real git, database, queue, sandbox."""
