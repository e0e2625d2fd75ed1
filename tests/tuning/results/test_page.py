"""The page of a search: complete, self-contained, true about what is not known."""

import re

import pytest

from kcomponents.tuning._results import wording as words
from kcomponents.tuning._results.page import to_html
from kcomponents.tuning._results.panels import learning_curves
from kcomponents.tuning._results.results import SearchResults
from tests.report.test_screens import BROWSER, measured
from tests.report.test_to_html import Page
from tests.tuning import made_results

pytestmark = pytest.mark.any_backend

KINDS = "finished", "running", "empty", "hostile", "plain"


@pytest.fixture(scope="module")
def pages():
    return {kind: to_html(getattr(made_results, kind)()) for kind in KINDS}


def pictures(page):
    return re.findall(r'<svg[^>]*class="plot".*?</svg>', page, re.DOTALL)


def with_seeds(better, worse):
    results = made_results.finished(3)
    first, second = results["trials"][:2]
    trials = []
    for trial, scores in ((first, worse), (second, better)):
        for seed, score in enumerate(scores):
            again = {"kind": "repeat", "of": trial["id"], "id": f"{trial['id']}-{seed}"}
            changed = {"seed": seed, "score": score, "state": "completed"}
            trials.append(trial | (again if seed else {}) | changed)
    return results | {"trials": trials}


def test_the_headline_names_the_winner_its_gain_and_the_interval(pages):
    text = Page(pages["finished"]).text
    gain = SearchResults(**made_results.finished()).gain
    assert "The winner is trial 46: maxout, l1_l2" in text
    assert f"{words.gain(gain)}, 95% interval {words.interval(gain)}." in text
    assert "Better than the baseline" in text


@pytest.mark.parametrize(
    ("better", "worse", "grade", "sentence"),
    [
        ([0.9, 0.91, 0.92], [0.8, 0.81, 0.82], "good", "It beats the baseline"),
        ([0.9, 0.9, 0.85], [0.8, 0.9, 0.82], "warn", "includes 0: it may be chance"),
        (
            [0.9],
            [0.8, 0.81],
            "open",
            "+0.095 over the baseline (0.805 ± 0.0071), "
            "from one seed: not yet confirmed by repeats.",
        ),
        (
            [0.9, 0.91, 0.92],
            [0.8],
            "open",
            "from one seed of the baseline: not yet confirmed by repeats.",
        ),
        ([0.9, 0.9], [0.8, 0.8], "open", "all seeds gave the same score"),
        ([0.7, 0.71, 0.72], [0.8, 0.81, 0.82], "bad", "Nothing beat the baseline"),
        ([0.8, 0.84, 0.82], [0.9, 0.8, 0.87], "warn", "Nothing beat the baseline"),
        ([0.7], [0.8], "warn", "with val_accuracy 0.7 over 1 seed (-0.1)."),
        ([0.7], [0.8], "warn", "Nothing beat the baseline (0.8)"),
        ([0.8], [0.8], "warn", "Nothing beat the baseline (0.8)"),
    ],
)
def test_the_headline_claims_no_more_than_the_seeds_show(
    better, worse, grade, sentence
):
    results = with_seeds(better, worse)
    found = words.verdict(SearchResults(**results))
    assert found[0] == grade and sentence in found[2]
    page = to_html(results)
    assert f'class="card verdict {grade}"' in page and found[2] in Page(page).text


def test_a_running_search_says_how_far_it_is(pages):
    text = Page(pages["running"]).text
    assert "13 of 30 trials are done. Best so far is trial 8: swish, l2" in text
    assert "About 2 min left." in text


def test_an_empty_search_has_a_page_without_panels(pages):
    assert "0 of 30 trials are done." in pages["empty"] and not pictures(pages["empty"])
    assert "Leaderboard" not in pages["empty"]
    assert "Search space" in pages["empty"]
    ended = to_html(made_results.empty(state="finished", space=[], versions={}))
    assert "No trial has finished" in ended and "Search space" not in ended


def test_a_search_that_has_not_begun_has_a_page():
    text = Page(to_html(made_results.not_begun())).text
    assert "0 of 0 trials are done." in text


def test_a_search_whose_trials_all_failed_has_a_page():
    results = made_results.finished(12)
    for trial in results["trials"]:
        trial |= {"state": "failed", "reason": "crash", "score": None, "curves": {}}
    text = Page(to_html(results)).text
    assert "No trial has finished" in text and "Crash" in text


def test_the_leaderboard_has_the_twenty_best_and_what_differs(pages):
    best = SearchResults(**made_results.finished()).ranking
    board = pages["finished"].split("<h2>Leaderboard")[1].split("</section>")[0]
    assert board.count("<tr><th scope") == 20 < len(best)
    assert re.findall(r"</span>(trial \d+|baseline)<", board)[:4] == [
        "baseline" if found.is_baseline else f"trial {found.trial}"
        for found in best[:4]
    ]
    assert "activation" in board and "<span>loss" not in board


def test_intervals_are_announced_only_if_there_are_any():
    announced = "gains over the baseline have 95% intervals"
    assert announced in to_html(with_seeds([0.9, 0.91, 0.92], [0.8, 0.81, 0.82]))
    page = to_html(with_seeds([0.9], [0.8]))
    assert announced not in page and "one seed only" in page


@pytest.mark.parametrize(
    ("scores", "note"),
    [
        (1, "The best configuration has only 1 seed. Repeat it"),
        (2, "The best configuration has 2 seeds. More seeds give"),
        # With several repeats, the score by which it was chosen does not count.
        (5, "The best configuration has 4 seeds. More seeds give"),
        (6, None),
    ],
)
def test_a_note_says_if_the_best_has_few_seeds(scores, note):
    scores = [0.9 + 0.001 * seed for seed in range(scores)]
    text = Page(to_html(with_seeds(scores, [0.8, 0.81]))).text
    assert note in text if note else "The best configuration has" not in text


def test_each_family_is_compared_with_the_best_of_all(pages):
    page = pages["finished"].split("Activation: the best of each")[1]
    text = Page(page.split("</table>")[0]).text
    for family in made_results.FAMILIES:
        assert family in text
    assert "sigmoid none finished: 3 pruned" in text and "one seed only" in text


def test_panels_without_data_are_left_out(pages):
    titles = {kind: re.findall("<h3>(.*?)</h3>", pages[kind]) for kind in KINDS}
    assert "Activation × regularizer" in titles["finished"]
    assert "Regularizer: distribution of scores" in titles["finished"]
    assert titles["plain"] == [
        "Importance of hyperparameters",
        "Validation loss of all trials",
        "Run it again",
    ]


def test_failures_have_their_message(pages):
    text = Page(pages["finished"]).text
    assert "Out of memory" in text and "RESOURCE_EXHAUSTED" in text
    assert "ValueError: units=0" in text


def test_curves_mark_ends_and_name_the_best(pages):
    drawn = pages["finished"].split("Learning curves")[1].split("</section>")[0]
    assert "trial 46: maxout, l1_l2" in drawn and "pruned (dashed)" in drawn
    assert "var(--bad)" in drawn


def test_the_curve_of_the_best_is_that_of_a_whole_training():
    results = made_results.finished(2)
    first = results["trials"][1]
    whole = first | {"id": "full-1", "kind": "full", "of": "1"}
    cut = made_results.cut(first, 2, "pruned", "pruned")
    results["trials"] = [cut, whole]
    panel = learning_curves(SearchResults(**results))[0]
    best = re.findall(r'd="([^"]*)"[^>]*var\(--s0\)', panel.svg)
    assert [path.count("L") for path in best] == [19]


def test_a_running_trial_is_drawn_by_its_objective():
    results = made_results.finished(2)
    trial = results["trials"][0] | {"state": "running", "score": None}
    trial["curves"] = {"objective": [0.1, 0.2, 0.3]}
    page = to_html(results | {"trials": [trial], "state": "running"})
    assert "Validation accuracy of all trials" in page and len(pictures(page)) == 1


def test_notes_say_what_the_numbers_cannot(pages):
    assert "on a test set that the search never saw" in pages["finished"]
    assert "The best configuration has only 1 seed" in pages["running"]
    assert "configurations have a score; 10 are needed" in pages["running"]
    assert "There is no baseline with a score" in pages["plain"]
    assert "stopped after 25 of 30 trials" in pages["plain"]


def test_the_page_says_how_to_run_the_search_again(pages):
    text = Page(pages["finished"]).text
    assert "python -m kcomponents search run recipe.py --max-trials 30" in text
    assert "keras 3.15.1" in text and "1e-6 to 0.01, log" in text
    assert "regularizer is l1, l2, l1_l2" in text
    assert "Run it again" not in pages["empty"]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_outside_the_page_is_needed(pages, kind):
    page = pages[kind]
    assert not re.search(r"https?:|[\"'(]//|@import|<link", page)
    assert not {"script", "img", "object", "iframe"} & set(Page(page).tags)
    assert not re.search(r"\son\w+=", re.sub(r">[^<]*<", "><", page))


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_unique_and_every_link_finds_one(pages, kind):
    page = Page(pages[kind])
    assert len(page.ids) == len(set(page.ids)) and set(page.links) <= set(page.ids)


def test_hostile_names_stay_text(pages):
    page = pages["hostile"]
    assert "<script" not in page and "\u202e" not in page and "\x1b" not in page
    assert "<script>alert(1)</script>" in Page(page).text
    assert "tspan" not in "".join(pictures(page))


def test_pictures_have_the_colors_of_the_page(pages):
    drawn = "".join(pictures(pages["finished"]))
    assert "var(--s0)" in drawn and not re.search(r"(fill|stroke): ?#", drawn)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300, -1e300, 0.0])
def test_broken_numbers_are_drawn(number):
    results = made_results.finished(14)
    for trial in results["trials"][::2]:
        trial["curves"]["val_accuracy"][-1] = number
        trial["score"] = number
    assert "Learning curves" in to_html(results)


def test_the_same_search_gives_the_same_page(pages, tmp_path):
    path = tmp_path / "page.html"
    assert to_html(made_results.finished(), path) == pages["finished"]
    assert path.read_text("utf-8") == pages["finished"]


def test_times_and_sizes_are_short():
    texts = [words.duration(s) for s in (0.0, 3.21, 45.4, 59.6, 125, 3600, 4000, 1e6)]
    expected = ["0 s", "3.2 s", "45 s", "1 min", "2 min", "1 h", "1 h 7 min", "278 h"]
    assert texts == expected
    # From a day on, hours are enough.
    assert [words.duration(s) for s in (86_340, 88_000)] == ["23 h 59 min", "24 h"]
    assert [words.size(n) for n in (10, 812345678, 9.1e9)] == [
        "10 bytes",
        "812 MB",
        "9.1 GB",
    ]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize(
    ("kind", "width"), [("finished", 1200), ("finished", 390), ("hostile", 390)]
)
def test_nothing_is_cut_and_nothing_overlaps(pages, tmp_path, kind, width):
    found = measured(pages[kind], tmp_path, width)
    assert found == {"cut": [], "over": [], "wide": width, "window": width}
