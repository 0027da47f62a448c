"""Tables and properties for the pure core."""
