"""Orders in: CSV or JSON becomes cleansed, located, segmented consignments, row by row.

A bad row is told with its line, field, code and reason and never stops a good one. Nothing is
guessed: what cannot be located is left for a person.
"""
