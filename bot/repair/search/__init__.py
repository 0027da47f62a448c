"""The search rung: localise the fault, mutate the code, let the tests choose."""
