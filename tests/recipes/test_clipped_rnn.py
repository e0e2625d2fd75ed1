"""The recipe of clipping: what it bounds, what it leaves behind, what it refuses."""

import argparse
import json

import clipped_rnn
import keras
import numpy as np
import pytest
from lib import clipping, recurrent

from tests.backend_cases import once


def run(folder, *arguments):
    """Run the recipe, tiny, and return what it found."""
    clipped_rnn.main(["--quick", "--out", str(folder), *arguments])
    return results(folder)


def results(folder):
    """Return the lines that a run left."""
    lines = (folder / "clipped_rnn.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.any_backend
def test_text_is_learned_with_and_without_clipping(tmp_path, capsys):
    found = run(tmp_path, "--sample", "7", "--threshold", ".05")
    assert [result["clip"] for result in found] == ["none", "global"]
    plain, clipped = found
    assert plain["cell"] == "irnn" and plain["norms"] == plain["clipped"]
    assert clipped["clip_rate"] == 1.0 and len(clipped["norms"]) == 8
    # The same net meets the same batch first.
    assert clipped["norms"][0] == pytest.approx(plain["norms"][0], rel=1e-4)
    alphabet = set(recurrent.text()[1])
    for result in found:
        assert len(result["sample"]) == 7 and set(result["sample"]) <= alphabet
    printed = capsys.readouterr().out
    assert "global 0.05" in printed and "(constant prediction)" in printed
    assert (tmp_path / "clipped_rnn.png").read_bytes()[1:4] == b"PNG"
    saved = sorted(path.name for path in (tmp_path / "clipped_rnn").iterdir())
    assert saved == ["text_irnn_global_0.keras", "text_irnn_none_0.keras"]


@pytest.mark.parametrize(
    ("arguments", "largest"),
    [
        (["--task", "adding", "--clip", "global", "--threshold", ".01"], 0.01),
        # Of five weights: of the inputs, the state and its bias, and of the output.
        (["--task", "series", "--clip", "norm", "--threshold", ".01"], 0.01 * 5**0.5),
        (["--cell", "gru", "--clip", "auto"], None),
        *once(
            ("--task vowels --cell lstm --clip value".split(), 0.01 * 905**0.5),
            ("--task adding --cell gru --clip adaptive".split(), None),
        ),
    ],
    ids=["global", "norm", "auto", "value", "adaptive"],
)
def test_what_is_applied_obeys_the_threshold(tmp_path, arguments, largest):
    [result] = run(tmp_path, *arguments)
    largest = largest or (result["threshold"] if "auto" in arguments else np.inf)
    before, after = np.array(result["norms"]), np.array(result["clipped"])
    assert (after <= largest * (1 + 1e-5)).all() and (after > 0).all()
    assert (after <= before * (1 + 1e-5)).all() and (after < before).any()


@pytest.mark.any_backend
def test_the_best_model_can_be_loaded_and_scores_what_was_told(tmp_path):
    arguments = ["--task", "vowels", "--cell", "rnn", "--activation", "prelu"]
    [result] = run(tmp_path, *arguments, "--clip", "global", "--epochs", "3")
    task = recurrent.task("vowels", None, 10, 8, 4, 0)
    model = keras.saving.load_model(tmp_path / "clipped_rnn/vowels_rnn_global_0.keras")
    loss, _ = model.evaluate(*task.validation, batch_size=1000, verbose=0)
    assert loss == pytest.approx(result["best"], rel=1e-4)


@pytest.mark.any_backend
def test_lanes_of_a_text_go_on_from_batch_to_batch():
    x, y = recurrent.lanes(np.arange(50), length=4, batch=3)
    assert x.shape == y.shape == (12, 4) and (y == x + 1).all()
    for lane in range(3):
        assert (x[lane::3].ravel() == np.arange(16) + 16 * lane).all()
    first, _ = recurrent.lanes(np.arange(50), 4, 3, most=1)
    assert (first == x[:3]).all()


@pytest.mark.any_backend
def test_a_window_of_a_series_is_to_tell_what_comes_next():
    x, y = recurrent.windows(np.arange(6.0), 3)
    assert x[..., 0].tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert y.tolist() == [[3], [4], [5]]


class Interrupt(keras.callbacks.Callback):
    """Ctrl-C within an epoch, counted from 0."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.any_backend
def test_after_ctrl_c_the_same_command_goes_on(tmp_path, monkeypatch):
    arguments = ["--clip", "global", "--epochs", "3", "--resume"]
    [whole] = run(tmp_path / "whole", *arguments)
    fit = keras.Model.fit

    def interrupted(model, *args, callbacks, **options):
        return fit(model, *args, callbacks=[*callbacks, Interrupt(1)], **options)

    with monkeypatch.context() as patched, pytest.raises(SystemExit) as ended:
        patched.setattr(keras.Model, "fit", interrupted)
        run(tmp_path, *arguments)
    assert ended.value.code == 130
    [partial] = results(tmp_path)
    assert partial["losses"] == pytest.approx(whole["losses"][:1], rel=1e-5)
    assert (tmp_path / "clipped_rnn.png").is_file()
    assert (tmp_path / "clipped_rnn" / "text_irnn_global_0.keras").is_file()
    [resumed] = run(tmp_path, *arguments)
    for name in ("losses", "norms", "clipped"):
        assert resumed[name] == pytest.approx(whole[name], rel=1e-5), name
    # What has ended is not trained again.
    [again] = run(tmp_path, *arguments)
    assert again["losses"] == resumed["losses"] and again["best"] == resumed["best"]


@pytest.mark.any_backend
def test_other_settings_do_not_go_on_from_a_state():
    def digest(**settings):
        return clipping.digest(argparse.Namespace(**settings))

    begun = digest(rate=0.1, epochs=3, seeds=5)
    assert begun == digest(rate=0.1, epochs=9, seeds=1)
    assert begun != digest(rate=0.2, epochs=3, seeds=5)


def result(clip, final, constant=1.0):
    """Return the least that a verdict needs."""
    diverged = final is None or final > clipping.FAR * constant
    return {"clip": clip, "final": final, "diverged": diverged}


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("plain", "clipped", "shown"),
    [
        (None, 0.9, True),
        (0.9, 0.8, True),
        (2.1, 1.9, True),
        (0.8, 0.9, False),
        (None, 2.1, False),
        (None, None, False),
    ],
)
def test_the_effect_is_what_the_claim_says(plain, clipped, shown):
    found = [result("none", plain), result("global", clipped)]
    assert clipped_rnn.effect(found) == shown
    assert clipped_rnn.effect(found[1:]) == (not found[1]["diverged"])


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--threshold", "0"], "must be above 0"),
        (["--threshold", "nan"], "must be above 0"),
        (["--threshold", "much"], "invalid number value: 'much'"),
        (["--threshold", "auto", "--clip", "value"], "goes with --clip global"),
        (["--threshold", "1", "--clip", "auto"], "a number not with"),
        (["--clip", "none,hard"], "Received: 'hard'"),
        (["--cell", "esn"], "invalid choice: 'esn'"),
        (["--task", "speech"], "invalid choice: 'speech'"),
        (["--activation", "reluu"], "Did you mean"),
        (["--activation", "maxout"], "must keep its shape"),
        (["--activation", "rrelu"], "not be random"),
        (["--optimizer", "adamm"], "adamm"),
        (["--rate", "-1"], "must be above 0"),
        (["--length", "1"], "must be above 1"),
        (["--units", "0"], "must be above 0"),
        (["--batch", "1.5"], "invalid number value: '1.5'"),
        (["--temperature", "0"], "must be above 0"),
        (["--sample", "5", "--task", "adding"], "needs --task text"),
        (["--data", "text.txt", "--task", "adding"], "makes its own data"),
        (["--data", "missing.txt"], "no such file"),
        (["--data", "missing.npz", "--task", "vowels"], "no such file"),
        (["--length", "200000"], "must fill a batch"),
        (["--length", "700", "--task", "series"], "longer than a sequence"),
        (["--batch", "300", "--task", "vowels"], "Received: 270, --batch 300"),
    ],
)
def test_what_cannot_work_is_refused_before_training(
    tmp_path, arguments, complaint, capsys, monkeypatch
):
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, *arguments)
    assert ended.value.code == 2 and complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("task", "content"),
    [("text", b"short"), ("series", b"1\ntwo"), ("vowels", b"no arrays")],
)
def test_a_malformed_file_is_named(tmp_path, task, content, capsys):
    path = tmp_path / "data"
    path.write_bytes(content)
    with pytest.raises(SystemExit):
        run(tmp_path / "out", "--task", task, "--data", str(path))
    assert "must" in capsys.readouterr().err and not (tmp_path / "out").exists()
