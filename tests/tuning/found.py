"""What was found in a search whose processes were killed, as a row of a table."""

import dataclasses
import statistics


@dataclasses.dataclass
class Found:
    """What was found in a search under kills.

    Args:
        store: String, the kind of store.
        starters, workers: Integers, how many of them were killed.
        within: Integer, kills of workers that had a trial.
        given_up: Integer, how often the search ended with an error and was resumed.
        points: String, how many of the kill points were used.
        wrong: List of strings, one for each problem.
        recoveries: List of floats, seconds until a trial had another worker.
        wanted, ended, twice: Integers, trials that there must be, that have ended, and
            that have ended more than once.
        attempts: Integer, largest number of attempts of a trial.
        seconds: Float, how long all took.
    """

    store: str
    starters: int = 0
    workers: int = 0
    within: int = 0
    given_up: int = 0
    points: str = ""
    wrong: list = dataclasses.field(default_factory=list)
    recoveries: list = dataclasses.field(default_factory=list)
    wanted: int = 0
    ended: int = 0
    twice: int = 0
    attempts: int = 0
    seconds: float = 0.0

    @property
    def lost(self):
        """How many trials are missing."""
        return self.wanted - self.ended

    def row(self):
        """Return the cells of a table: name → text."""
        took = self.recoveries
        middle = f"{statistics.median(took):.1f}" if took else "-"
        longest = f"{max(took):.1f}" if took else "-"
        return {
            "store": self.store,
            "kills": f"{self.starters + self.workers}",
            "of the starter": f"{self.starters}",
            "within a trial": f"{self.within}",
            "kill points used": self.points,
            "given up and resumed": f"{self.given_up}",
            "problems": f"{len(self.wrong)}",
            "trials wanted": f"{self.wanted}",
            "ended": f"{self.ended}",
            "twice": f"{self.twice}",
            "lost": f"{self.lost}",
            "most attempts": f"{self.attempts}",
            "recovery median s": middle,
            "longest s": longest,
            "all s": f"{self.seconds:.0f}",
        }
