"""What a capture allows to be said, and what tracing did to the program."""
