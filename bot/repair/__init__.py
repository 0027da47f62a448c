"""The ladder of fixers, cheapest first: mechanical, search, agent."""
