"""The agent rung: a model that explores, edits and submits through sandboxed tools."""
