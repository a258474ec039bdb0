"""What a check found, one module a format."""
