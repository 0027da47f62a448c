"""What search runs inside the sandbox: standard library and the target's own pytest, Python 3.9 and later.

`evaluate` sends these modules over standard input as the package `fettle_inside`; nothing here may import the rest of
Fettle, and nothing outside may import it except to read its source.
"""
