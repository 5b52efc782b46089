"""`python -m lab2.cli`."""

from lab2.cli import main

if __name__ == "__main__":
    main()
