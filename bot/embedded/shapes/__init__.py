"""How the state model looks as JSON: one module a family, pure, with every key that GitHub requires."""
