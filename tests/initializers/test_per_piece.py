"""PerPiece: fans, seeds and order of the pieces of a maxout kernel."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.initializers import PerPiece
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
def test_keeps_the_promises_of_an_initializer(grouping):
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
def test_rejects_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        PerPiece(**arguments)


@pytest.mark.parametrize("shape", [(3, 5), ()])
def test_rejects_a_shape_it_cannot_divide(shape):
    with pytest.raises(ValueError, match="must divide the size of the last axis"):
        PerPiece("he_normal", 2)(shape)
