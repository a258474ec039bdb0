"""`python -m ortprobe` is the command `ortprobe`."""

from ortprobe.cli import main

if __name__ == "__main__":
    main()
