"""The ground everyone stands on (words, rows, queries, audit) and three doors: app, jobs, cli."""

__version__ = "0.1.0"
