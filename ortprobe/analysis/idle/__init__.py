"""When devices and streams had nothing to do, and why."""
