"""What a sweep takes, told before it is started: counted from its configurations and its data."""
