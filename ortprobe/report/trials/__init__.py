"""What trying a change has given, in words and as JSON."""
