"""A GitHub-compatible server, a Valkey and a scripted model: what the demo and the tests run against."""
