"""``python -m flatprov``."""

from flatprov.cli import main

main()
