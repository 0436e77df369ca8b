"""Sync measured in one run: ours over real HTTP, Kinto and bare SQL on the same PostgreSQL."""
