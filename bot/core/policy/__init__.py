"""Verdicts: pure rules that allow or refuse, each with the sentence that the user reads."""
