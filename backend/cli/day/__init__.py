"""A day with made-up people over real HTTP: drivers with real handsets, a control room, customers.

The demo, the drill and the journeys tell their stories with these; nobody here knows more of the
server than its contract.
"""
