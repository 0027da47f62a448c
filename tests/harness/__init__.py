"""What stories and adapter tests stand on: the embedded GitHub, its checker, the bot under test."""
