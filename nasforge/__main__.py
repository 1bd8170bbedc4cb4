"""Run the command `nasforge` with `python -m nasforge`."""

from nasforge.command.cli import main

if __name__ == "__main__":  # spawned child processes import this file again
    main()
