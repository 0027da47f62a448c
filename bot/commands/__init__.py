"""The bodies of the command line's commands, one module each; bot.cli parses arguments and calls them."""
