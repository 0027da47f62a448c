"""Plan, edit, validate, publish: each a reconciler that may run twice."""
