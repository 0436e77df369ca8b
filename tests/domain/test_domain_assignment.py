import pytest

from backend.domain.assignment import (
    AssignmentInvalid,
    OrderFacts,
    assign,
    assignments_to_wire,
    parse_assignments,
    read_assignments,
)

RULES = parse_assignments(
    """
    [[assign]]
    segment = "premium"
    service = ["express"]
    [[assign]]
    segment = "business"
    customer = ["C-1"]
    [[assign]]
    segment = "premium"
    min_value = 500
    [[assign]]
    segment = "standard"
    min_value = 50
    handling = ["refrigerated", "fragile"]
    [[assign]]
    segment = "economy"
    """
)


@pytest.mark.parametrize(
    ("order", "segment"),
    [
        (OrderFacts(service="express", customer="C-1"), "premium"),
        (OrderFacts(service="slow", customer="C-1", value=900), "business"),
        (OrderFacts(value=500), "premium"),
        (OrderFacts(value=60, handling=frozenset({"fragile"})), "standard"),
        (OrderFacts(value=40, handling=frozenset({"fragile"})), "economy"),
        (OrderFacts(), "economy"),
    ],
)
def test_the_first_rule_that_holds_decides(order: OrderFacts, segment: str) -> None:
    """Service before customer before value before handling, because the data says so."""
    rule = assign(RULES, order)
    assert rule is not None
    assert rule.segment == segment


def test_without_a_catch_all_nothing_is_assigned() -> None:
    """No segment is made up."""
    assert assign(RULES[:-1], OrderFacts()) is None


def test_a_rule_says_what_it_looks_at() -> None:
    """The reason kept with a consignment names the conditions."""
    reasons = [rule.reason for rule in RULES]
    assert reasons == ["service", "customer", "value", "value and handling", "default"]


def test_rules_survive_the_database() -> None:
    """Written and read again they are the same."""
    assert read_assignments(assignments_to_wire(RULES)) == RULES


def test_faulty_rules_are_told_with_their_pointers() -> None:
    """Every fault at once."""
    with pytest.raises(AssignmentInvalid) as caught:
        parse_assignments('[[assign]]\ncolour = "red"\nmin_value = -1')
    assert {error.pointer for error in caught.value.errors} == {
        "/assign/0/segment",
        "/assign/0/colour",
        "/assign/0/min_value",
    }
