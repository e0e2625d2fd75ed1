"""Every recipe runs, and leaves lines, a summary and a picture."""

import ast
import importlib
import json
import pathlib

import keras
import pytest
from lib import run, sequences
from lib.run import by, chosen, one, spread, table

from tests.random_cases import cases

RECIPES = pathlib.Path(run.__file__).parents[1]
# They have tests of their own.
OTHERS = {"quickstart", "search_activations", "clipped_rnn"}
# PyTorch compiles nothing, so all of them are tried there.
ELSEWHERE = ["activations", "cliff", "maxout_shapes", "optimizers"]
NAMES = sorted(path.stem for path in RECIPES.glob("*.py") if path.stem not in OTHERS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", NAMES if keras.backend.backend() == "torch" else cases(ELSEWHERE, NAMES)
)
def test_a_recipe_runs_and_leaves_what_it_found(name, tmp_path, capsys):
    recipe = importlib.import_module(name)
    recipe.main(["--quick", "--seed", "3", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    lines = (tmp_path / f"{name}.jsonl").read_text().splitlines()
    results = [json.loads(line) for line in lines]
    assert {result["seed"] for result in results} == {3}
    summary = json.loads((tmp_path / f"{name}.json").read_text())
    assert summary["seeds"] == 1 and summary["quick"]
    assert len({tuple(row) for row in summary["rows"]}) == 1
    assert table(summary["rows"]) in printed
    assert (tmp_path / f"{name}.png").read_bytes()[1:4] == b"PNG"
    assert sorted(path.suffix for path in tmp_path.iterdir() if path.stem == name) == [
        ".json",
        ".jsonl",
        ".png",
    ]


@pytest.mark.any_backend
@pytest.mark.parametrize("name", [*NAMES, "clipped_rnn"])
def test_a_recipe_states_its_claim(name):
    text = (RECIPES / f"{name}.py").read_text()
    doc = ast.get_docstring(ast.parse(text))
    assert "https://" in doc and f"python recipes/{name}.py" in doc
    for part in ("Claim:", "What to expect:", "Source:"):
        assert part in doc


def made(measure, claim="One is one"):
    """Return a recipe that trains nothing."""

    def picture(results, figure):
        figure.subplots().plot([result["value"] for result in results])

    return run.Recipe(
        doc="A recipe.",
        claim=claim,
        measure=measure,
        rows=lambda results: [{"value": spread([r["value"] for r in results])}],
        effect=lambda results: results[0]["value"] == 1.0,
        picture=picture,
    )


@pytest.mark.any_backend
def test_the_seeds_where_the_effect_is_there_are_counted(tmp_path, capsys):
    def measure(args, seed):
        yield {"value": float(seed), "curve": [1.0, 2.0]}

    argv = ["--seeds", "3", "--out", str(tmp_path)]
    summary = run.run(made(measure), "some/thing.py", argv)
    assert (summary["shown"], summary["seeds"]) == (1, 3)
    printed = capsys.readouterr().out
    assert "One is one: 1 of 3 seeds." in printed and "curve" not in printed
    first = json.loads((tmp_path / "thing.jsonl").read_text().splitlines()[0])
    wanted = {"recipe": "thing", "seed": 0, "value": 0.0, "curve": [1.0, 2.0]}
    assert first == wanted


@pytest.mark.any_backend
def test_an_interrupted_recipe_leaves_what_it_found_so_far(tmp_path, capsys):
    def measure(args, seed):
        yield {"value": 1.0}
        if seed == 1:
            raise KeyboardInterrupt
        yield {"value": 2.0}

    with pytest.raises(SystemExit) as ended:
        run.run(made(measure), "thing.py", ["--out", str(tmp_path)])
    assert ended.value.code == 130
    summary = json.loads((tmp_path / "thing.json").read_text())
    # Seed 1 has not said all, so that nothing is known of the effect there.
    assert summary["seeds"] == 1
    assert len((tmp_path / "thing.jsonl").read_text().splitlines()) == 3
    assert (tmp_path / "thing.png").is_file()
    assert "Interrupted" in capsys.readouterr().err


@pytest.mark.any_backend
@pytest.mark.parametrize("fails", [False, True])
def test_of_a_first_seed_that_is_interrupted_there_is_a_picture(
    tmp_path, fails, capsys
):
    def measure(args, seed):
        yield {"value": 1.0}
        raise KeyboardInterrupt

    recipe = made(measure)._replace(effect=lambda results: results[1])
    if fails:
        recipe = recipe._replace(picture=lambda results, figure: results[1])
    with pytest.raises(SystemExit):
        run.run(recipe, "thing.py", ["--out", str(tmp_path)])
    assert len((tmp_path / "thing.jsonl").read_text().splitlines()) == 1
    assert (tmp_path / "thing.png").is_file() != fails
    assert ("too few" in capsys.readouterr().err) == fails


@pytest.mark.any_backend
def test_what_is_wrong_with_the_input_is_said(tmp_path, capsys):
    def measure(args, seed):
        raise ValueError("The data must be real. Received: nothing")
        yield

    for argv, told in ([], "must be real"), (["--seeds", "0"], "at least 1"):
        with pytest.raises(SystemExit):
            run.run(made(measure), "thing.py", [*argv, "--out", str(tmp_path)])
        assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.any_backend
def test_a_failed_write_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    run.write(tmp_path / "a.txt", b"first")
    monkeypatch.setattr(run.os, "replace", lambda *paths: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.write(tmp_path / "a.txt", b"second")
    assert (tmp_path / "a.txt").read_bytes() == b"first"


@pytest.mark.any_backend
def test_tables_and_choices():
    rows = [{"net": "a", "loss": 1}, {"net": "long", "loss": 2.5}]
    assert table(rows) == "net   loss\na     1\nlong  2.5"
    assert spread([1, 2, 4]) == "2 (1 to 4)" and spread([2, 2]) == "2"
    assert chosen(rows, net="a") == rows[:1] and one(rows, net="long") == rows[1]
    assert by([*rows, {"net": "a", "loss": 3}], "net", "loss") == {
        "a": [1, 3],
        "long": [2.5],
    }
    with pytest.raises(ValueError):
        one(rows, net="none")


@pytest.mark.any_backend
def test_the_adding_problem_is_what_it_says():
    x, y = sequences.adding(50, 11, seed=0)
    assert x.shape == (50, 11, 2) and y.shape == (50, 1)
    assert (x[:, :5, 1].sum(1) == 1).all() and (x[:, 5:, 1].sum(1) == 1).all()
    assert abs((x[..., 0] * x[..., 1]).sum(1) - y[:, 0]).max() < 1e-6
    again, _ = sequences.adding(50, 11, seed=0)
    assert (again == x).all()


@pytest.mark.any_backend
def test_a_text_is_coded_and_can_be_read_back(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("abracadabra, ü!" * 4, encoding="utf-8")
    (train, validation), characters = sequences.text(str(file))
    assert len(train) == 54 and len(validation) == 6
    coded = [*train, *validation]
    assert "".join(characters[i] for i in coded) == file.read_text(encoding="utf-8")
    (train, _), characters = sequences.text()
    assert len(train) > 1_000_000 and 60 < len(characters) < 100


@pytest.mark.any_backend
def test_series_and_vowels_are_scaled_and_split(tmp_path):
    for source in sequences.SERIES:
        train, rest = sequences.series(source)
        assert abs(train.mean()) < 1e-3 and abs(train.std() - 1) < 1e-3
        assert len(train) // 4 in (len(rest), len(rest) - 1, len(rest) + 1)
    file = tmp_path / "a.txt"
    file.write_text("\n".join(map(str, range(10))))
    train, rest = sequences.series(str(file))
    assert (len(train), len(rest)) == (8, 2)
    train, test = sequences.vowels()
    assert (len(train[0]), len(test[0])) == (270, 370)


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("read", "content", "told"),
    [
        ("text", None, "no such file"),
        ("text", b"aaaa", "two different characters"),
        ("series", b"1\ntwo\n", "one number a line"),
        ("series", b"1\n1\n1\n1\n", "not all equal"),
        ("vowels", b"nothing", "arrays x, length, y, test"),
        ("vowels", None, "no such file"),
    ],
)
def test_files_that_cannot_be_used_are_refused(tmp_path, read, content, told):
    file = tmp_path / "data"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=told):
        getattr(sequences, read)(str(file))
    with pytest.raises(ValueError, match="at least 2"):
        sequences.adding(1, 1, 0)
