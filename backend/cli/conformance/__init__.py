"""`doorstep conformance`: a server or an app is held against the contract, rule by rule.

``kit`` knows the contract alone and imports nothing of the server; the rest starts one to be tried.
"""
