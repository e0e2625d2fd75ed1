"""PerPiece, Blocked and their copies: every piece or gate of a kernel by itself."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.initializers import Blocked, PerPiece
from kcomponents.initializers.blocks import independent_copies
from kcomponents.testing import check_initializer


def pieces_of(kernel, num_pieces, grouping="contiguous"):
    """Return the kernels of the pieces, each with the outputs on its last axis."""
    kernel = ops.convert_to_numpy(kernel)
    if grouping == "contiguous":
        return [kernel[..., j::num_pieces] for j in range(num_pieces)]
    return np.split(kernel, num_pieces, axis=-1)


@pytest.mark.parametrize("grouping", ["contiguous", "strided"])
@pytest.mark.parametrize("rest", [(), (5,), (3, 5), (3, 2, 5), (2, 2, 2, 2)])
def test_pieces_are_drawn_apart_for_every_rank(rest, grouping):
    kernel = PerPiece("he_normal", 3, grouping=grouping)((*rest, 6))
    pieces = pieces_of(kernel, 3, grouping)
    assert [piece.shape for piece in pieces] == [(*rest, 2)] * 3
    for j in range(3):
        assert not np.isclose(pieces[j], pieces[j - 1]).any()


@pytest.mark.parametrize("grouping", ["contiguous", "strided"])
def test_a_piece_has_the_spread_of_a_kernel_of_its_own(grouping):
    kernel = PerPiece("glorot_normal", 5, grouping=grouping)((256, 256 * 5))
    whole = keras.initializers.GlorotNormal()((256, 256 * 5))
    due = np.sqrt(2 / (256 + 256))
    for piece in pieces_of(kernel, 5, grouping):
        assert piece.std() == pytest.approx(due, rel=0.02)
    assert ops.convert_to_numpy(whole).std() < 0.6 * due


def test_a_convolution_has_the_fans_of_one_piece():
    kernel = PerPiece("glorot_normal", 4)((3, 3, 32, 64 * 4))
    due = np.sqrt(2 / (9 * 32 + 9 * 64))
    assert ops.convert_to_numpy(kernel).std() == pytest.approx(due, rel=0.02)


@pytest.mark.parametrize("grouping", ["contiguous", "strided"])
def test_every_piece_of_an_orthogonal_kernel_is_orthogonal(grouping):
    kernel = PerPiece("orthogonal", 2, grouping=grouping)((4, 8))
    for piece in pieces_of(kernel, 2, grouping):
        np.testing.assert_allclose(piece.T @ piece, np.eye(4), atol=1e-5)


def test_identity_fills_every_piece():
    kernel = PerPiece("identity", 2, grouping="strided")((3, 6))
    np.testing.assert_array_equal(kernel, np.hstack([np.eye(3)] * 2))


def test_a_function_is_called_once_for_each_piece():
    asked = []

    def count(shape, dtype=None):
        asked.append(shape)
        return ops.full(shape, len(asked), dtype)

    kernel = PerPiece(count, 3)((1, 6))
    assert asked == [(1, 2)] * 3
    np.testing.assert_array_equal(kernel, [[1, 2, 3, 1, 2, 3]])


def test_a_seed_makes_the_same_kernel_and_a_generator_goes_on():
    seeded = [PerPiece(keras.initializers.HeNormal(seed=1), 2) for _ in range(2)]
    np.testing.assert_array_equal(seeded[0]((3, 4)), seeded[1]((3, 4)))
    seed = keras.random.SeedGenerator(1)
    moving = PerPiece(keras.initializers.HeNormal(seed=seed), 2)
    first, second = moving((3, 4)), moving((3, 4))
    assert not np.isclose(*pieces_of(first, 2)).any()
    assert not np.isclose(first, second).any()


def test_neighboring_seeds_share_no_piece():
    kernels = [
        PerPiece(keras.initializers.HeNormal(seed=seed), 2)((3, 4)) for seed in (1, 2)
    ]
    pieces = [piece for kernel in kernels for piece in pieces_of(kernel, 2)]
    for j in range(4):
        for other in pieces[:j]:
            assert not np.isclose(pieces[j], other).any()


@pytest.mark.parametrize("grouping", ["contiguous", "strided"])
def test_per_piece_keeps_the_promises_of_an_initializer(grouping):
    inner = keras.initializers.GlorotUniform(seed=3)
    check_initializer(PerPiece(inner, 3, grouping=grouping), shape=(4, 6))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"initializer": None, "num_pieces": 2}, "must not be None"),
        ({"initializer": "zeros", "num_pieces": 0}, "num_pieces=0"),
        ({"initializer": "zeros", "num_pieces": True}, "num_pieces=True"),
        ({"initializer": "zeros", "num_pieces": 2, "grouping": "stride"}, "'strided'"),
    ],
)
def test_per_piece_rejects_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        PerPiece(**arguments)


@pytest.mark.parametrize("shape", [(3, 5), ()])
def test_rejects_a_shape_it_cannot_divide(shape):
    with pytest.raises(ValueError, match="must divide the size of the last axis"):
        PerPiece("he_normal", 2)(shape)


def gates(kernel, count=4):
    return np.split(ops.convert_to_numpy(kernel), count, axis=-1)


@pytest.mark.parametrize("seed", [None, 5])
def test_every_gate_of_an_lstm_is_orthogonal_and_its_own(seed):
    initializer = Blocked(keras.initializers.Orthogonal(seed=seed), 4)
    layer = keras.layers.LSTM(8, recurrent_initializer=initializer)
    layer.build((None, 5, 3))
    blocks = gates(layer.cell.recurrent_kernel)
    for block in blocks:
        np.testing.assert_allclose(block @ block.T, np.eye(8), atol=1e-5)
    assert len({block.tobytes() for block in blocks}) == 4


def test_keras_alone_leaves_the_gates_without_it():
    kernel = keras.initializers.Orthogonal(seed=1)((8, 32))
    for block in gates(kernel):
        assert abs(block @ block.T - np.eye(8)).max() > 0.1


def test_the_variance_is_that_of_one_gate():
    fused = Blocked(keras.initializers.GlorotNormal(seed=1), 4)((64, 256))
    assert ops.convert_to_numpy(fused).std() == pytest.approx((1 / 64) ** 0.5, rel=0.03)


def test_every_gate_may_be_the_identity():
    kernel = ops.convert_to_numpy(Blocked("identity", 3)((2, 6)))
    np.testing.assert_array_equal(kernel, np.tile(np.eye(2), 3))


@pytest.mark.parametrize("axis", [0, -2])
def test_blocks_may_lie_along_any_axis(axis):
    kernel = ops.convert_to_numpy(Blocked("identity", 3, axis=axis)((6, 2)))
    np.testing.assert_array_equal(kernel, np.tile(np.eye(2), (3, 1)))


def test_a_seed_repeats_the_kernel():
    one, two = (
        Blocked(keras.initializers.HeNormal(seed=1), 4)((3, 8)) for _ in range(2)
    )
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (one, two)))


def test_a_model_with_it_is_saved_and_loaded(tmp_path):
    layer = keras.layers.GRU(4, recurrent_initializer=Blocked("orthogonal", 3))
    model = keras.Sequential([keras.Input((5, 2)), layer])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    kept = loaded.layers[0].get_config()["recurrent_initializer"]
    assert kept["config"]["num_blocks"] == 3


def test_blocked_keeps_the_promises_of_an_initializer():
    inner = keras.initializers.GlorotUniform(seed=1)
    check_initializer(Blocked(inner, 2), shape=(3, 4))
    check_initializer(Blocked(Blocked(inner, 2), 2, axis=0), shape=(4, 4))


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_blocks": 0},
        {"num_blocks": 2.0},
        {"num_blocks": True},
        {"axis": 0.5},
        {"axis": None},
        {"initializer": None},
        {"initializer": "glorrot"},
    ],
)
def test_blocked_rejects_wrong_arguments(arguments):
    with pytest.raises(ValueError):
        Blocked(**{"initializer": "zeros", "num_blocks": 2, **arguments})


@pytest.mark.parametrize(("shape", "axis"), [((4, 6), -1), ((4, 8), 2), ((), -1)])
def test_rejects_shapes_that_do_not_divide(shape, axis):
    with pytest.raises(ValueError, match="Received"):
        Blocked("zeros", 4, axis)(shape)


def draws(initializer, count=3):
    copies = independent_copies(initializer, count)
    return [ops.convert_to_numpy(copy((4, 4))) for copy in copies]


def distinct(arrays):
    return len({array.tobytes() for array in arrays}) == len(arrays)


@pytest.mark.parametrize("seed", [None, 0, 3, -1, keras.random.SeedGenerator(1)])
def test_copies_draw_apart(seed):
    assert distinct(draws(keras.initializers.GlorotUniform(seed=seed)))


def test_a_seed_repeats_the_copies_and_another_shares_none():
    first, again, other = (
        draws(keras.initializers.GlorotUniform(seed=seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert distinct([*first, *other])


def test_the_parts_of_parts_draw_apart():
    inner = Blocked(keras.initializers.GlorotUniform(seed=1), 2)
    halves = [half for drawn in draws(inner) for half in np.split(drawn, 2, axis=1)]
    assert distinct(halves)


def test_a_generator_shared_by_two_weights_goes_on():
    generator = keras.random.SeedGenerator(1)
    one, two = (keras.initializers.GlorotUniform(seed=generator) for _ in range(2))
    assert distinct([*draws(one), *draws(two)])


def test_a_plain_function_is_taken_as_it_is():
    def ones(shape, dtype=None):
        return ops.ones(shape, dtype)

    assert independent_copies(ones, 2) == [ones, ones]


def test_what_draws_nothing_is_taken_as_it_is():
    identity = keras.initializers.Identity(2.0)
    assert independent_copies(identity, 2) == [identity, identity]
    nested = Blocked(identity, 2)
    assert independent_copies(nested, 2) == [nested, nested]
