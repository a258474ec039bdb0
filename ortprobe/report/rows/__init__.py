"""What a timeline draws, whoever draws it: every span, run, session, wait and idle piece as a mark on a row."""
