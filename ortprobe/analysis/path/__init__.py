"""What each piece of work waited for, which chain of them made a run take its time, and what a change would give."""
