"""Pure functions from an Event and a view of the repository to Intents. Called from bot.jobs.deliver."""
