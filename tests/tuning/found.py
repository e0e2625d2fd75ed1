"""What came of a search whose processes were killed, as a row of a table."""

import dataclasses
import statistics


@dataclasses.dataclass
class Found:
    """What came of a search under kills."""

    store: str
    starters: int = 0
    workers: int = 0
    within: int = 0
    given_up: int = 0
    wrong: list = dataclasses.field(default_factory=list)
    recoveries: list = dataclasses.field(default_factory=list)
    wanted: int = 0
    ended: int = 0
    twice: int = 0
    attempts: int = 0
    seconds: float = 0.0

    @property
    def lost(self):
        """How many trials are wanting."""
        return self.wanted - self.ended

    def row(self):
        """Return what a table shows, name → text."""
        took = self.recoveries
        middle = f"{statistics.median(took):.1f}" if took else "-"
        longest = f"{max(took):.1f}" if took else "-"
        return {
            "store": self.store,
            "kills": f"{self.starters + self.workers}",
            "of the starter": f"{self.starters}",
            "within a trial": f"{self.within}",
            "given up, begun again": f"{self.given_up}",
            "store damaged": f"{len(self.wrong)}",
            "trials wanted": f"{self.wanted}",
            "ended": f"{self.ended}",
            "twice": f"{self.twice}",
            "lost": f"{self.lost}",
            "most attempts": f"{self.attempts}",
            "recovery median s": middle,
            "longest s": longest,
            "all s": f"{self.seconds:.0f}",
        }
