"""python -m edgekit, and the console script `edgekit`."""

from edgekit.cli.app import main

if __name__ == "__main__":
    main()
