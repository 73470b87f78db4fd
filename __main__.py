"""Run the command line with ``python -m phusong``."""

from phusong.cli import main

main()
