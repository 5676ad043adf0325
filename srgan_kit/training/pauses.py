"""How often each player paused."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields

from srgan_kit.contracts import Updates

PLAYERS = tuple(field.name for field in fields(Updates))


class Pauses:
    """Counts of the steps since the last record, and of those in which a player did not learn."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count(self, updates: Updates) -> None:
        """Take a step into account."""
        self._counts["steps"] += 1
        for player in PLAYERS:
            if not getattr(updates, player):
                self._counts[player] += 1

    def shares(self, players: Iterable[str]) -> dict[str, float]:
        """The fraction of the steps since the last call in which a player paused, for those that did."""
        steps = self._counts.pop("steps")
        shares = {f"paused/{player}": self._counts[player] / steps for player in players if player in self._counts}
        self._counts.clear()
        return shares
