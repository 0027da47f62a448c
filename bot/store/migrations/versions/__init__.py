"""One file a revision, oldest first; never edited after a release."""
