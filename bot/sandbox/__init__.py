"""Where all untrusted code runs: one protocol, one runner, several backends."""
