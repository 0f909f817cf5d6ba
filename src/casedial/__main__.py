"""``python -m casedial`` is the ``casedial`` command."""

from casedial.cli import main

main()
