"""Every query, as functions of a transaction; the locks and the scope counters."""
