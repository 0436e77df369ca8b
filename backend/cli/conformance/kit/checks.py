"""All the checks, listed by being imported."""

from backend.cli.conformance.kit import (
    conventions,
    exchange,
    lanes,
    rules,
    signing_in,
    telling,
    things,
)
from backend.cli.conformance.kit.lab import CHECKS, Lab, try_all

__all__ = ["CHECKS", "Lab", "try_all"]
SECTIONS = (conventions, signing_in, exchange, telling, rules, things, lanes)
