"""`python -m nasforge` is `nasforge`."""

from nasforge.command.cli import main

if __name__ == "__main__":  # children of a spawning trainer import this file again
    main()
