"""The numbers of the rule."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The numbers of the rule, times in milliseconds; 0 in `..._stale_after` and `..._forget_after` means never."""

    window: int
    stale_after: int
    forget_after: int
    settle_after: int
    future_tolerance: int
    max_spaces: int
    max_deliveries: int = 8192
    """Distinct deliveries remembered for each measure of a space: nine a second for the default window."""
    traffic_window: int = 24 * 60 * 60 * 1000
    """Time for which the ids of crossings are known, counted back from the newest event of a sensor."""
    max_crossings: int = 8192
    """Ids of crossings that are known of each sensor at most."""
    detections_stale_after: int = 0
    motion_forget_after: int = 0
    """Takes the place of `forget_after` for a space with a measure that is sent only when it changes."""
