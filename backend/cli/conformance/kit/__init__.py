"""The kit: numbered checks, a raw client, a strict server. It knows the contract alone."""
