"""One test a case of the attack catalogue, named after it."""
