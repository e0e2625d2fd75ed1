"""The web page of a search: the best trials, their gains, failures and costs."""

from kcomponents._files import Path
from kcomponents.report._page import page
from kcomponents.tuning._telling import page_facts as facts
from kcomponents.tuning._telling import page_tables as tables
from kcomponents.tuning._telling import panels as panels
from kcomponents.tuning._telling.page_words import objective, verdict, with_defaults
from kcomponents.tuning._telling.statistics import is_repeated, ranking, winner


def to_html(results: dict, path: Path | None = None) -> str:
    """Return the results of a search as one self-contained page, without scripts.

    The same results give the same page. Requires the extra `tuning`:
    `pip install kcomponents[tuning]`.

    Args:
        results: Dict of plain values, `Search.results`.
        path: Path of the HTML file to write. Defaults to `None`, no file.

    Returns:
        String: the HTML of the page.

    Raises:
        FileNotFoundError: If the folder of `path` does not exist.
        ImportError: If a library is not installed.
    """
    results = with_defaults(results)
    importance, why_not = panels.importance_panels(results)
    return page(
        "kcomponents.tuning:search.html",
        path,
        name=results["name"],
        objective=objective(results),
        verdict=verdict(results),
        figures=facts.figures(results),
        importance=importance,
        notes=list(facts.notes(results, why_not)),
        **_pictures(results),
        **_tables(results),
    )


def _pictures(results):
    return {
        "gains": panels.gain_panels(results),
        "spread": panels.distribution_panels(results),
        "map": panels.interaction_map(results),
        "curves": panels.learning_curves(results),
    }


def _tables(results):
    ranked, best = ranking(results), winner(results)
    board = tables.leaderboard(results)
    return {
        "winner_values": tables.pairs(best) if best else [],
        "board": board,
        "has_gains": any(row["gain"] for row in board),
        "ranked": len(ranked),
        "repeated": is_repeated(ranked),
        "families": tables.families(results),
        "failures": tables.failures(results),
        "found": facts.found_by_doctor(results),
        "cost": facts.cost(results),
        "space": tables.space_rows(results),
        "settings": facts.settings(results),
        "command": results["command"],
        "versions": results["versions"],
    }
