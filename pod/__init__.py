"""Proof of delivery: evidence as facts, the rules' verdict on it, codes and tokens at the door."""
