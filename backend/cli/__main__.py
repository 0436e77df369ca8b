"""`python -m backend.cli` is `doorstep`, wherever the script was put."""

from backend.cli import main

main()
