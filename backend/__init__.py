"""The ground everyone stands on (words, rows, queries, audit) and three doors: app, jobs, cli."""
