"""What every HTTP surface needs and none should write twice: problems, request ids, bodies, JSON.

Hostile input ends here. Whatever bytes arrive, they become a typed value, a 4xx with a pointer to
the fault, or (when the fault is ours) a 5xx that carries a request id and leaves a log line.
"""
