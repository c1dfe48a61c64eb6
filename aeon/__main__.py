"""``python -m aeon``: the same as the ``aeon`` command."""

from aeon.cli import main

if __name__ == "__main__":
    main()
