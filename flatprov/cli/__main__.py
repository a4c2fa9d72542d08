"""``python -m flatprov.cli``."""

from flatprov.cli import main

main()
