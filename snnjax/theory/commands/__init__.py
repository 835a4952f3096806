"""The subcommands of `python -m snnjax.theory`, a module each."""
