"""What happens at a door besides arriving and delivering."""

import random

from backend.cli.day.driver import Twist
from backend.cli.drill.fate import Extra
from handset import Handset
from handset.manifest import Stop

OPEN = frozenset({"released", "arrived"})
# What changes the delivery itself.
TWISTS = {
    Extra.CORRECT: Twist.CORRECTED,
    Extra.LATE_PHOTO: Twist.LATE_PHOTO,
    Extra.NO_PROOF: Twist.NO_PROOF,
    Extra.WRONG_CODE: Twist.WRONG_CODE,
    Extra.MALFORMED: Twist.MALFORMED,
}


def ahead(handset: Handset) -> list[Stop]:
    """What is still to be done, in driving order."""
    return [stop for stop in handset.stops() if stop.state in OPEN]


def do_besides(handset: Handset, extra: Extra, stop: Stop, dice: random.Random) -> None:
    """What a driver does besides."""
    match extra:
        case Extra.NOTE:
            handset.note(stop.id, "the bell is broken, knock")
        case Extra.SCAN:
            for parcel in stop.parcels:
                handset.scan(parcel.barcode or parcel.id, "deliver", stop.id)
        case Extra.SKIP:
            handset.skip(stop.id, "nobody in sight, later")
        case Extra.RESEQUENCE:
            order = [other.id for other in ahead(handset)]
            dice.shuffle(order)
            if stop.route_id is not None:
                handset.resequence(stop.route_id, order)
