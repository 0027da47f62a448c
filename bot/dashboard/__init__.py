"""Server-rendered pages over the journal; loopback only until sign-in exists."""
