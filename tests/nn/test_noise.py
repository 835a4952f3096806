"""The mask generator against a written-out oracle and statistical tests.

Each test states its significance; seeds are fixed, so a pass is a pass for good.
"""

import itertools

import jax
import numpy as np
import pytest
from scipy import stats

from snnjax.nn import noise

WORD = 2**32


def mix_by_hand(word: int) -> int:
    word ^= word >> 16
    word = word * 0x21F0AAAD % WORD
    word ^= word >> 15
    word = word * 0xD35A2D97 % WORD
    return word ^ (word >> 15)


def bits_by_hand(key: tuple[int, int], row: int, column: int) -> int:
    word = (row * 0xC13FA9A9 + column * 0x91E10DA5 + key[0]) % WORD
    word ^= word >> 16
    word = word * 0x21F0AAAD % WORD
    return mix_by_hand(word ^ key[1])


def draw(seed: int, step: int, layer: int, shape=(512, 512)) -> np.ndarray:
    key = noise.fold(noise.fold(noise.make_key(np.uint32(seed)), step), layer)
    return np.asarray(noise.bits(key, shape))


def test_bits_equal_the_definition():
    key = noise.fold(noise.make_key(np.uint32(7)), 3)
    drawn = np.asarray(noise.bits(key, (5, 7))).ravel()
    place = itertools.product(range(5), range(7))
    by_hand = [bits_by_hand(tuple(int(k) for k in key), *at) for at in place]
    np.testing.assert_array_equal(drawn, np.array(by_hand, np.uint32))


def test_mix_is_a_bijection_of_the_low_words():
    words = np.arange(2**20, dtype=np.uint32)
    assert len(np.unique(np.asarray(noise.mix(words)))) == len(words)


def test_bits_are_the_same_compiled_mapped_and_in_a_larger_array():
    keys = jax.vmap(lambda word: noise.fold(noise.make_key(np.uint32(1)), word))(np.arange(4))
    plain = np.stack([np.asarray(noise.bits(key, (8, 16))) for key in keys])
    mapped = jax.jit(jax.vmap(lambda key: noise.bits(key, (8, 16))))(keys)
    np.testing.assert_array_equal(plain, mapped)
    larger = np.asarray(noise.bits(keys[0], (20, 31)))
    np.testing.assert_array_equal(plain[0], larger[:8, :16])
    folded = np.asarray(noise.bits(keys[0], (8, 4, 2, 2)))
    np.testing.assert_array_equal(plain[0], folded.reshape(8, 16))
    columns_first = np.asarray(noise.bits(keys[0], (16, 8), row_axis=1))
    np.testing.assert_array_equal(plain[0], columns_first.T)


def test_places_of_a_matrix_start_from_different_words():
    """The least distance of two places that share one: a lattice vector, found by trying rows."""
    inverse = pow(0x91E10DA5, -1, WORD)
    rows = np.arange(1, 2**20, dtype=np.uint64)
    columns = (WORD - rows * 0xC13FA9A9 % WORD) * inverse % WORD
    columns = np.minimum(columns, WORD - columns)
    assert (rows * columns).min() > 2**28
    near = (rows < 7843) & (columns < 47_809)
    assert not near.any()


@pytest.mark.parametrize("seed", [0, 1, 2, 2**32 - 1])
@pytest.mark.parametrize("byte", range(4))
def test_every_byte_is_uniform(seed, byte):
    """Chi-square over 256 cells, 16 cases at 1e-4 each."""
    cells = np.bincount((draw(seed, 5, 2).ravel() >> (8 * byte)) & 255, minlength=256)
    assert stats.chisquare(cells).pvalue > 1e-4


@pytest.mark.parametrize("seed", [0, 1])
def test_words_are_uniform_and_serially_independent(seed):
    """Kolmogorov-Smirnov for the words, chi-square for the 64 x 64 cells of neighbours, at 1e-4."""
    uniform = draw(seed, 9, 1).ravel() / WORD
    assert stats.kstest(uniform, "uniform").pvalue > 1e-4
    for lag in (1, 2, 512, 513):
        cells = np.floor(uniform[:-lag] * 64) * 64 + np.floor(uniform[lag:] * 64)
        assert stats.chisquare(np.bincount(cells.astype(int), minlength=4096)).pvalue > 1e-4


STREAMS = (  # seed, step, layer
    *((0, 0, 1), (0, 0, 2), (0, 1, 1), (0, 1, 2)),
    *((1, 0, 1), (1, 1, 2), (2**31, 0, 1), (0, 2**16, 1)),
)
NEIGHBOURS = list(itertools.combinations(STREAMS, 2))


@pytest.mark.parametrize(("one", "other"), NEIGHBOURS)
def test_streams_of_other_seeds_steps_and_layers_are_independent(one, other):
    """Chi-square over the 16 x 16 joint cells of the top bits, and the agreement of all bits.

    28 pairs at 1e-4 each; the agreement is binomial with 8.4 million trials.
    """
    a, b = draw(*one).ravel(), draw(*other).ravel()
    cells = np.bincount((a >> 28) * 16 + (b >> 28), minlength=256)
    assert stats.chisquare(cells).pvalue > 1e-4
    agreeing = 32 * a.size - int(np.bitwise_count(a ^ b).sum(dtype=np.int64))
    z = (agreeing - 16 * a.size) / np.sqrt(8 * a.size)
    assert abs(z) < stats.norm.isf(0.5e-4)
    # Bit by bit, too: an exclusive-or that is constant in one place would pass the sum.
    per_bit = [((a ^ b) >> bit & 1).mean() for bit in range(32)]
    assert np.abs(np.array(per_bit) - 0.5).max() < 5 * 0.5 / np.sqrt(a.size)


def test_flipping_one_bit_of_position_or_key_flips_half_of_all_bits():
    """Avalanche: over 65,536 positions the mean share of flipped bits, 5 standard errors."""
    key = np.asarray(noise.fold(noise.make_key(np.uint32(3)), 4))
    base = np.asarray(noise.bits(key, (2**16,)))
    for lane, bit in itertools.product(range(2), range(32)):
        flipped = key.copy()
        flipped[lane] ^= np.uint32(1 << bit)
        share = np.bitwise_count(base ^ np.asarray(noise.bits(flipped, (2**16,)))).mean() / 32
        # A single difference passes two rounds, not infinitely many: half a per cent is allowed.
        assert abs(share - 0.5) < 0.02, (lane, bit, share)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_masks_drop_at_the_given_rate(rate, seed):
    """Binomial test with 262,144 trials, 21 cases at 1e-5 each; rate 0 drops nothing at all."""
    key = noise.fold(noise.make_key(np.uint32(seed)), 11)
    kept = np.asarray(noise.is_kept(key, np.float32(rate), (512, 512)))
    dropped = int((~kept).sum())
    if rate == 0:
        assert dropped == 0
    else:
        assert stats.binomtest(dropped, kept.size, rate).pvalue > 1e-5


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5])
def test_masks_of_consecutive_steps_overlap_by_chance_only(rate):
    """Joint drops of 20 consecutive steps are binomial(n, rate^2), at 1e-4 after Bonferroni."""
    base = noise.make_key(np.uint32(0))
    masks = [
        ~np.asarray(noise.is_kept(noise.fold(noise.fold(base, step), 1), rate, (256, 256)))
        for step in range(21)
    ]
    for before, after in itertools.pairwise(masks):
        both = int((before & after).sum())
        assert stats.binomtest(both, before.size, rate**2).pvalue > 1e-4 / 20
