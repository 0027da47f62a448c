"""What changes the state: one module a subject. Each action checks, changes, and emits the events that GitHub would.

Called by the REST endpoints, by git pushes and by the programmatic API (`bot.embedded.github`); raises `ApiError`.
"""
