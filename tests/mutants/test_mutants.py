"""The changes that are made of a small source, and what the results say."""

from tests.mutants.__main__ import GOAL, RESULTS, distance, key, read, table
from tests.mutants.changes import Changes, sample

SOURCE = '''"""A text of 3 lines, not empty and true."""

LIMIT = 0.05


class Model:
    """Has 2 rows."""

    def __init__(self, rate: float = 1.0, name="a", *, last: int | None = None):
        self.rate = rate or 1e-9

    def read(self, path: str | None = None, seed=7, *, size=7):
        """Return 1."""

    def __repr__(self):
        return f"Model({self.rate + 1})"

    def fit(self, x, y):
        if not x:
            raise ValueError("x must be above 0." + str(1 - 2))
        logging.info("step %d", 12)
        self.set("é", y[0]); y.extend(zip(x, x, strict=True))
        return -x if 0 < x <= LIMIT and y is not None else (x) * (20)
'''

ALL = "return -x if 0 < x <= LIMIT and y is not None else (x) * (20)"
CHANGES = [
    ("number", "LIMIT = 0.05", "LIMIT = 0.07500000000000001"),
    ("default", "rate: float = 1.0", "rate: float = 1.5"),
    ("default", 'name="a"', "name='changed'"),
    ("default", "last: int | None = None", "last: int | None = 0"),
    ("default", "size=7", "size=6"),
    ("boolean operator", "rate or 1e-9", "rate and 1e-9"),
    ("branch dropped", "if not x:", "if False:"),
    ("not dropped", "if not x:", "if x:"),
    ("call dropped", 'self.set("é", y[0]);', "pass;"),
    ("number", "y[0]", "y[1]"),
    ("call dropped", "y.extend(zip(x, x, strict=True))", "pass"),
    ("return dropped", ALL, "return None"),
    ("branch dropped", "if 0 < x <= LIMIT and y is not None else", "if False else"),
    ("branch dropped", "if 0 < x <= LIMIT and y is not None else", "if True else"),
    ("sign", "-x if", "x if"),
    ("sign", "(x) * (20)", "(x) / (20)"),
    ("boolean operator", "LIMIT and y", "LIMIT or y"),
    ("boundary", "0 < x", "0 <= x"),
    ("comparison", "0 < x", "0 >= x"),
    ("boundary", "x <= LIMIT", "x < LIMIT"),
    ("comparison", "x <= LIMIT", "x > LIMIT"),
    ("comparison", "y is not None", "y is None"),
    ("number", "if 0 <", "if 1 <"),
    ("number", "(20)", "(30)"),
]


def test_each_operator_number_branch_and_return_is_changed_but_no_text():
    found = Changes("kcomponents/model.py", SOURCE).found
    made = [(mutant.kind, mutant.apply(SOURCE)) for mutant in found]
    expected = [(kind, SOURCE.replace(old, new)) for kind, old, new in CHANGES]
    assert sorted(made) == sorted(expected)


def test_of_a_figure_only_the_logic_is_changed():
    source = "axes.limit(3 if y < x else -z, 2 * y, True)"
    found = Changes("kcomponents/_pages/drawing.py", source).found
    kinds = {"boundary", "branch dropped", "comparison"}
    assert {mutant.kind for mutant in found} == kinds


def test_a_sample_is_the_same_for_a_seed_and_the_beginning_of_a_larger_one():
    found = Changes("kcomponents/model.py", SOURCE).found
    found += Changes("kcomponents/other.py", "x = 3 if y else -z").found
    drawn = sample(found, 9, seed=1)
    assert drawn == sample(found, 20, seed=1)[:9]
    assert drawn != sample(found, 9, seed=2)
    assert len(set(drawn)) == 9
    assert {mutant.path for mutant in drawn} == {mutant.path for mutant in found}


def test_tests_of_the_same_name_come_before_those_of_the_same_part():
    path = "kcomponents/callbacks/_stop_state.py"
    names = "callbacks/test_stop_state.py", "callbacks/test_resume.py", "test_files.py"
    assert [distance(f"tests/{name}::test", path) for name in names] == [0, 1, 2]


def row(killed_by, **kwargs):
    names = {"path": "kcomponents/_text.py", "line": 1, "column": 0, "kind": "number"}
    return {
        **names, "before": "1", "after": "2", "seconds": 1.0, "killed_by": killed_by,
        **kwargs,
    }  # fmt: skip


def test_a_change_without_a_difference_does_not_count():
    rows = [row("a"), row(None), row(None, equivalent="both are read as 1")]
    lines, share = table(rows)
    assert share == 0.5
    assert lines[1].split() == ["_text", "2", "1"]
    assert lines[-1] == "both are read as 1"


def test_each_change_is_in_the_results_once():
    rows = read(RESULTS)
    assert len({key(row) for row in rows}) == len(rows) >= 200
    assert sum("equivalent" in row for row in rows) <= 0.05 * len(rows)


def test_as_many_changes_are_noticed_as_is_the_goal():
    _, share = table(read(RESULTS))
    assert share >= GOAL
