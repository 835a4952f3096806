"""Theorems proved by balls, against float64 grids, mpmath and damaged certificates."""

import argparse
import copy
import json
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from scipy.special import erfc, erfcx

from snnjax.config.errors import ConfigError
from snnjax.constants import ALPHA_01, LAMBDA_01
from snnjax.theory.commands import check as check_command
from snnjax.theory.commands import prove as prove_command
from snnjax.theory.proofs.boxes import ARGUMENTS, _Bound, _Entry
from snnjax.theory.proofs.certificate import certificate, write
from snnjax.theory.proofs.checker import RefusedError, check
from snnjax.theory.proofs.cover import covers
from snnjax.theory.proofs.decimals import bound, plain
from snnjax.theory.proofs.enclosure import constants, tables
from snnjax.theory.proofs.quantities import QUANTITIES
from snnjax.theory.proofs.sides import reach
from snnjax.theory.proofs.theorems import PUBLISHED, Effort, Statement, make_domain, prove

flint = pytest.importorskip("flint")
WIDE_TAU = make_domain(
    mu=("-0.1", "0.1"), omega=("-0.1", "0.1"), nu=("0.8", "1.5"), tau=("0.95", "1.3")
)


def moments(m, v):
    """Return mean and variance by Eqs. 4 and 5 in float64."""
    s = np.sqrt(v)
    x, bell = m / s / math.sqrt(2), np.exp(-(m**2) / (2 * v))
    once, twice = (bell * erfcx(x + k * s / math.sqrt(2)) for k in (1, 2))
    edge = math.sqrt(2 / math.pi) * s * bell
    mean = LAMBDA_01 / 2 * (m * (2 - erfc(x)) + ALPHA_01 * (once - erfc(x)) + edge)
    inner = ALPHA_01**2 * (twice - 2 * once + erfc(x))
    square = LAMBDA_01**2 / 2 * ((m**2 + v) * (2 - erfc(x)) + inner + m * edge)
    return mean, square - mean**2


def norm(mu, omega, nu, tau, h=1e-5):
    """Return the Jacobian's largest singular value by central differences."""
    by_mu = [
        (b - a) / (2 * h)
        for a, b in zip(
            moments((mu - h) * omega, nu * tau), moments((mu + h) * omega, nu * tau), strict=True
        )
    ]
    by_nu = [
        (b - a) / (2 * h)
        for a, b in zip(
            moments(mu * omega, (nu - h) * tau), moments(mu * omega, (nu + h) * tau), strict=True
        )
    ]
    jacobian = np.array([by_mu, by_nu])
    return np.linalg.svd(np.moveaxis(jacobian, (0, 1), (-1, -2)), compute_uv=False)[..., 0]


@pytest.fixture(scope="module")
def proofs():
    return [prove(statement) for statement in PUBLISHED]


@pytest.fixture(scope="module")
def content(proofs):
    return json.loads(write(certificate(proofs, Effort())))


def grid(domain, points):
    sides = [np.linspace(float(domain[n].low), float(domain[n].high), points) for n in ARGUMENTS]
    return np.meshgrid(*sides, indexing="ij", sparse=False)


def test_all_theorems_are_proved(proofs):
    assert [proof.verdict for proof in proofs] == ["proved"] * len(PUBLISHED)


@pytest.mark.parametrize("place", range(len(PUBLISHED)))
def test_extrema_of_a_grid_with_corners_lie_between_the_bounds(proofs, place):
    mu, omega, nu, tau = grid(PUBLISHED[place].domain, 9)
    mean, variance = moments(mu * omega, nu * tau)
    for finding in proofs[place].findings:
        values = {
            "mean": lambda: mean,
            "variance": lambda: variance,
            "gain": lambda: variance - nu,
            "norm": lambda: norm(mu, omega, nu, tau),
        }[finding.claim.quantity]()
        bound, attained = float(finding.bound), float(finding.attained)
        slack = 1e-9 if finding.claim.quantity == "norm" else 1e-13
        if finding.claim.sense == "below":
            assert values.max() <= bound + slack
            assert values.max() == pytest.approx(attained, rel=1e-6)
        else:
            assert values.min() >= bound - slack
            assert values.min() == pytest.approx(attained, rel=1e-6)


def test_extrema_are_enclosed_to_six_digits(proofs):
    for proof in proofs:
        for finding in proof.findings:
            width = abs(Fraction(finding.bound) - Fraction(finding.attained))
            assert width <= abs(Fraction(finding.attained)) / 10**6


def test_tables_contain_derivatives_of_an_integral():
    with mpmath.workdps(30), flint.ctx.workprec(80):
        alpha, scale = (mpmath.mpf(c.mid().str(25, radius=False)) for c in constants()[:2])

        def selu(z):
            return scale * (z if z > 0 else alpha * mpmath.expm1(z))

        def expected(power, m):
            return mpmath.quad(
                lambda z: selu(z) ** power * mpmath.npdf(z, m, mpmath.sqrt(1.7)),
                [m - 16, 0, m, m + 16],
            )

        table = tables(flint.arb("0.3"), flint.arb("1.7"), 4)
        for power, row in zip((1, 2), table, strict=True):
            series = mpmath.taylor(lambda m, p=power: expected(p, m), mpmath.mpf("0.3"), 2)
            for order, ball in enumerate(row[:3]):
                exact = series[order] * mpmath.factorial(order)
                assert abs(mpmath.mpf(ball.mid().str(20, radius=False)) - exact) < 1e-8


@pytest.mark.parametrize("order", range(4))
def test_each_derivative_is_that_of_the_one_before(order):
    with flint.ctx.workprec(200):
        m, v, h = flint.arb("-0.2"), flint.arb("0.6"), flint.arb("1e-12")
        here = tables(m, v, 4)
        behind, ahead = tables(m - h, v, 4), tables(m + h, v, 4)
        for row, low, high in zip(here, behind, ahead, strict=True):
            slope = (high[order] - low[order]) / (2 * h)
            assert abs(slope - row[order + 1]) < 1e-20


def test_tables_over_a_box_contain_those_of_its_points():
    rng = np.random.default_rng(0)
    with flint.ctx.workprec(64):
        for low, high in ((1e-4, 1e-2), (0.01, 0.3), (0.8, 1.6), (3, 20)):
            m, v = flint.arb(-0.2).union(flint.arb(0.3)), flint.arb(low).union(flint.arb(high))
            wide = tables(m, v, 4)
            for a, b in zip(rng.uniform(-0.2, 0.3, 40), rng.uniform(low, high, 40), strict=True):
                for row, exact in zip(wide, tables(flint.arb(a), flint.arb(b), 4), strict=True):
                    assert all(
                        big.contains(small.mid()) for big, small in zip(row, exact, strict=True)
                    )


def test_a_refutation_is_real():
    proof = prove(Statement(1, "", WIDE_TAU))
    assert proof.verdict == "refuted"
    refuted = {f.claim.quantity: f for f in proof.findings if f.verdict == "refuted"}
    assert set(refuted) == {"variance", "norm"}
    for name, finding in refuted.items():
        point = [float(finding.witness[each]) for each in ARGUMENTS]
        mu, omega, nu, tau = point
        value = norm(*point) if name == "norm" else moments(mu * omega, nu * tau)[1]
        assert value > float(finding.claim.limit)
        assert value == pytest.approx(float(finding.attained), rel=1e-8)
        assert all(
            WIDE_TAU[n].low <= Fraction(finding.witness[n]) <= WIDE_TAU[n].high for n in ARGUMENTS
        )


def own_domain(nu, tau=("1", "1"), mu=("-0.5", "0.5"), omega=("0", "0")):
    return make_domain(mu=mu, omega=omega, nu=nu, tau=tau)


@pytest.mark.parametrize("precision", [53, 64, 80, 100, 128])
@pytest.mark.parametrize("budget", [1, 7, 500])
@pytest.mark.parametrize(("nu", "place"), [(("0.8", "1"), 3), (("1", "1.5"), 2)])
def test_a_variance_that_reaches_its_limit_of_1_is_undecided(nu, place, budget, precision):
    # (0, 1) is a fixed point, and the variance increases with that of the net inputs.
    proof = prove(Statement(1, "", own_domain(nu)), Effort(precision, budget=budget))
    assert proof.findings[place].verdict == "undecided"


@pytest.mark.parametrize("theorem", [1, 2, 3])
@pytest.mark.parametrize("tau", ["0.5", "0.8", "1", "1.25", "3.2"])
@pytest.mark.parametrize("shift", ["0", "1e-30"])
def test_no_false_statement_is_proved_where_the_fixed_point_is_on_the_edge(theorem, tau, shift):
    end, far = 1 / Fraction(tau), Fraction(shift)
    exact_end = plain(end)  # nu tau = 1 at an end: there the variance is exactly 1
    for nu in ((plain(end / 4), exact_end), (exact_end, plain(end * 3))):
        for omega in (("0", "0"), ("0", shift)):
            domain = own_domain(nu, (tau, tau), ("0", plain(1 + far)), omega)
            for finding in prove(Statement(theorem, "", domain), Effort(budget=60)).findings:
                claim = finding.claim
                reached = {"variance": 1, "gain": 1 - end}.get(claim.quantity)
                if reached is None:
                    continue
                false = reached >= claim.limit if claim.sense == "below" else reached <= claim.limit
                assert not (false and finding.verdict == "proved")
                if claim.sense == "below":
                    assert Fraction(finding.bound) >= reached
                else:
                    assert Fraction(finding.bound) <= reached


def test_the_largest_bound_is_first_even_among_those_that_round_to_one_double():
    with flint.ctx.workprec(80):
        bounds = [flint.arb(1) + flint.arb(2) ** -70 * k for k in (1, 3, 0, 2, 3)]
        assert len({float(each) for each in bounds}) == 1
        heap = [_Entry(_Bound(b, (), b, 0, False), i, ()) for i, b in enumerate(bounds)]
        assert [entry.number for entry in sorted(heap)] == [1, 4, 3, 0, 2]


def test_an_extremum_of_exactly_0_needs_few_boxes():
    for finding in prove(Statement(1, "", own_domain(("0.8", "1")))).findings:
        assert finding.evaluated < 20


def test_too_few_boxes_leave_it_undecided():
    assert prove(PUBLISHED[4], Effort(budget=2)).verdict == "undecided"


def test_the_same_proof_twice(proofs):
    again = prove(PUBLISHED[0])
    for one, other in zip(proofs[0].findings, again.findings, strict=True):
        assert one._replace(seconds=0) == other._replace(seconds=0)


def test_a_side_grows_to_where_the_statement_turns_false():
    found = reach(PUBLISHED[1], "nu", "low", Effort(budget=2000), 4)
    assert found.fails is not None
    assert 0 < found.holds - found.fails < Fraction(1, 1000)
    nu = float(found.holds)
    gain = moments(0.1, nu * 1.25)[1] - nu
    assert abs(gain) < 1e-3


def least_failing_nu(tau, m):
    """Return by mpmath where variance = nu, which is where Theorem 3 turns false near 0."""
    with mpmath.workdps(30):
        scale, alpha = mpmath.mpf(LAMBDA_01), mpmath.mpf(ALPHA_01)

        def gain(nu):
            s = mpmath.sqrt(nu * tau)
            x, bell = m / s / mpmath.sqrt(2), mpmath.exp(-(m**2) / (2 * nu * tau))
            left = mpmath.erfc(x)
            once, twice = (
                mpmath.exp(k * m + k * k * s * s / 2) * mpmath.erfc(x + k * s / mpmath.sqrt(2))
                for k in (1, 2)
            )
            edge = mpmath.sqrt(2 / mpmath.pi) * s * bell
            mean = scale / 2 * (m * (2 - left) + alpha * (once - left) + edge)
            inner = alpha**2 * (twice - 2 * once + left)
            square = scale**2 / 2 * ((m * m + s * s) * (2 - left) + inner + m * edge)
            return square - mean**2 - nu

        return mpmath.findroot(gain, (1e-5, 1e-4), solver="anderson", tol=1e-24)


@pytest.mark.parametrize(
    ("place", "tau"), [pytest.param(4, "0.8", marks=pytest.mark.slow), (5, "0.9")]
)
def test_how_small_nu_may_get_is_answered_for_both_ranges_of_tau(place, tau):
    found = reach(PUBLISHED[place], "nu", "low", Effort(), 3)
    assert found.undecided is None
    assert found.fails < found.holds < found.fails * Fraction(1001, 1000)
    root = least_failing_nu(mpmath.mpf(tau), mpmath.mpf("0.01"))
    assert float(found.fails) <= root <= float(found.holds)


def test_a_search_that_the_budget_ends_says_so():
    found = reach(PUBLISHED[5], "nu", "low", Effort(budget=40), 3)
    assert (found.fails, found.reason) == (None, "budget")
    assert found.undecided < found.holds


def test_a_verdict_that_more_boxes_would_not_change_says_so():
    assert prove(Statement(1, "", own_domain(("0.8", "1")))).reason == "precision"
    assert prove(PUBLISHED[4], Effort(budget=2)).reason == "budget"
    assert prove(PUBLISHED[0]).reason == ""


def test_the_rise_of_the_variance_is_its_derivative():
    with flint.ctx.workprec(200):
        mu, nu, h = flint.arb("0.3"), flint.arb("0.6"), flint.arb("1e-20")
        point = [mu, flint.arb(1), nu, flint.arb(1)]
        ahead, behind = ([*point[:2], nu + step, point[3]] for step in (h, -h))
        rise, variance = QUANTITIES["rise"], QUANTITIES["variance"]
        slope = (variance.value(ahead) - variance.value(behind)) / (2 * h)
        assert abs(slope - rise.value(point)) < 1e-25
        bend = (rise.value(ahead) - rise.value(behind)) / (2 * h)
        assert abs(bend - rise.gradient(point)[2]) < 1e-25


def test_sides_that_cannot_fail_are_said_so():
    assert reach(PUBLISHED[1], "tau", "low", Effort(budget=500), 3).fails is None


def one_statement(content, place):
    return {**copy.deepcopy(content), "statements": [copy.deepcopy(content["statements"][place])]}


@pytest.mark.parametrize("place", [0, 1, 3])
def test_certificates_are_verified(content, place):
    done = check(one_statement(content, place))
    assert done.statements == 1
    assert done.boxes == sum(
        len(claim["boxes"]) for claim in content["statements"][place]["claims"]
    )


def test_a_refuted_certificate_is_verified():
    effort = Effort()
    done = check(certificate([prove(Statement(1, "", WIDE_TAU))], effort))
    assert done.claims == 5


@pytest.mark.parametrize("precision", [53, 64, 128])
@pytest.mark.parametrize("nu", [("0.8", "1"), ("1", "1.5")])
def test_certificates_of_extrema_at_a_limit_and_at_0_are_verified(nu, precision):
    effort = Effort(precision)
    proofs = [prove(Statement(1, "", own_domain(nu)), effort)]
    assert check(certificate(proofs, effort)).claims == 5


CUBE = [[0.0, 1.0] * 4]


def forged(theorem, sides, claims):
    """Return a certificate of false claims: the bound is all that they have."""
    named = dict(zip(ARGUMENTS, sides, strict=True))
    start = {name: low for name, (low, _) in named.items()}
    rows = [
        {"quantity": quantity, "sense": sense, "limit": limit, "verdict": "proved", "bound": bound}
        | {"attained": "-inf" if sense == "below" else "inf", "witness": start, "boxes": CUBE}
        for quantity, sense, limit, bound in claims
    ]
    statement = {"theorem": theorem, "source": "", "domain": named, "verdict": "proved"}
    top = {"format": "snnjax theorem certificate 1", "precision": 64}
    return json.loads(json.dumps({**top, "statements": [{**statement, "claims": rows}]}))


def forged_theorem_1(mu, nu, bounds):
    (mu_low, mu_high), (nu_low, nu_high) = mu, nu
    limits = ("mean", "above", mu_low), ("mean", "below", mu_high)
    limits += ("variance", "above", nu_low), ("variance", "below", nu_high)
    limits += (("norm", "below", "1"),)
    claims = [(*limit, bound) for limit, bound in zip(limits, bounds, strict=True)]
    return forged(1, (mu, ("0", "0"), nu, ("1", "1")), claims)


def test_a_negative_bound_of_a_norm_is_refused():
    forgery = forged_theorem_1(("-1", "1"), ("0.01", "2"), ("-0.9", "0.9", "0.011", "1.9", "-5"))
    with pytest.raises(RefusedError, match="norm"):
        check(forgery)
    honest = copy.deepcopy(forgery)
    norm_claim(honest["statements"][0])["bound"] = "5"
    with pytest.raises(RefusedError, match="undecided, not proved"):
        check(honest)  # so that nothing else is wrong with it


NINES = "0." + "9" * 60


@pytest.mark.parametrize(
    "forgery",
    [
        forged_theorem_1(("-0.5", "0.5"), ("0.8", "1"), ("-0.4", "0.4", "0.8001", NINES, "0.95")),
        forged_theorem_1(
            ("-0.5", "0.5"), ("1", "1.5"), ("-0.4", "0.4", "1." + "0" * 59 + "1", "1.4", "0.95")
        ),
        forged(
            2,
            (("0", "0"), ("0", "0"), ("1", "1.5"), ("1", "1")),
            [("gain", "below", "0", "-1e-60")],
        ),
        forged(
            3, (("0", "0"), ("0", "0"), ("0.5", "1"), ("1", "1")), [("gain", "above", "0", "1e-60")]
        ),
        forged(
            3, (("0", "0"), ("0", "0"), ("1", "1"), ("1", "1")), [("gain", "above", "0", "1e-900")]
        ),
    ],
    ids=["variance<1", "variance>1", "gain<0", "gain>0", "point"],
)
def test_a_bound_that_rounding_hides_is_refused(forgery):
    with pytest.raises(RefusedError, match="too near to be verified"):
        check(forgery)


def norm_claim(statement):
    return statement["claims"][-1]


def damage_box(s):
    del norm_claim(s)["boxes"][7]


def damage_shrunk_box(s):
    norm_claim(s)["boxes"][3][1] -= 1e-12


def damage_bound(s):
    norm_claim(s)["bound"] = "0.8975"
    norm_claim(s)["attained"] = "0.8974"


def damage_attained(s):
    norm_claim(s)["attained"] = "0.8977"


def damage_domain(s):
    s["domain"]["tau"][1] = "1.2"
    s["source"] = ""


def damage_source(s):
    s["source"] = "main text"


def damage_source_of_another_domain(s):
    s["domain"]["tau"][1] = "1.2"


def damage_theorem(s):
    s["theorem"] = 1.0


def damage_extra_side(s):
    s["domain"]["extra"] = 5


def damage_attained_endless(s):
    norm_claim(s)["attained"] = "1e999999999"


def damage_limit_exponent(s):
    s["domain"]["nu"][1] = "1e1001"


def damage_length(s):
    norm_claim(s)["bound"] = "0." + "9" * 3000


def damage_box_text(s):
    norm_claim(s)["boxes"][0][0] = "0"


def damage_limit(s):
    norm_claim(s)["limit"] = "0.9"


def damage_verdict(s):
    norm_claim(s)["verdict"] = "refuted"


def damage_claims(s):
    s["claims"].pop()


def damage_witness(s):
    norm_claim(s)["witness"]["tau"] = "1.3"


def damage_key(s):
    del norm_claim(s)["boxes"]


def damage_number(s):
    norm_claim(s)["bound"] = "nonsense"


def damage_nan(s):
    norm_claim(s)["boxes"][0][0] = float("nan")


DAMAGES = {
    damage_box: "cover",
    damage_shrunk_box: "cover",
    damage_bound: "exceeded",
    damage_attained: "does not attain",
    damage_domain: "exceeded|verified",
    damage_limit: "does not say",
    damage_verdict: "refuted",
    damage_claims: "does not say",
    damage_witness: "outside",
    damage_key: "not a certificate",
    damage_number: "not a certificate",
    damage_nan: "cover",
    damage_source: r"\.source is 'main text'; allowed: 'theorem'",
    damage_source_of_another_domain: r"\.source is 'theorem'; allowed: ''",
    damage_theorem: r"\.theorem is 1\.0; allowed: 1, 2 or 3",
    damage_extra_side: r"\.domain is 'extra'; allowed: mu, omega, nu, tau",
    damage_attained_endless: r"\.attained is '1e999999999'; allowed: a decimal",
    damage_limit_exponent: r"\.domain\.nu is '1e1001'; allowed: a decimal",
    damage_length: r"\.bound is '0\.9+\.\.\.; allowed: a decimal",
    damage_box_text: r"\.boxes\[0\] is '0'; allowed: eight numbers",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
def test_a_damaged_certificate_is_refused(content, damage):
    damaged = one_statement(content, 0)
    damage(damaged["statements"][0])
    with pytest.raises(RefusedError, match=DAMAGES[damage]):
        check(damaged)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", "foo"),
        ("format", None),
        ("precision", 1),
        ("precision", "64"),
        ("precision", True),
        ("statements", 5),
        ("statements", "abc"),
    ],
)
def test_a_damaged_head_is_refused_in_one_line(content, key, value):
    with pytest.raises(RefusedError, match=f"^not a certificate: {key} is .*; allowed: ") as told:
        check({**one_statement(content, 0), key: value})
    assert len(str(told.value).splitlines()) == 1


def test_a_certificate_of_nothing_is_refused(content):
    with pytest.raises(RefusedError, match="no statements"):
        check({**content, "statements": []})


def test_cover_finds_a_hole():
    half = ((0.0, 0.5), *((0.0, 1.0),) * 3)
    rest = ((0.5, 1.0), *((0.0, 1.0),) * 3)
    assert covers([half, rest])
    assert not covers([half])
    assert not covers([])
    assert not covers([half, ((0.5, 1.0), (0.0, 0.999), (0.0, 1.0), (0.0, 1.0))])


def given(command, *arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(arguments)


def test_the_commands_agree(tmp_path, capsys):
    path = tmp_path / "cert.json"
    assert prove_command.run(given(prove_command, "--theorem", "1", "--out", str(path))) == 0
    assert "0.8976083" in capsys.readouterr().out
    assert check_command.run(given(check_command, str(path))) == 0
    assert "verified: 5 claims" in capsys.readouterr().out
    path.write_text(path.read_text().replace('"1.1"', '"1.2"'))
    assert check_command.run(given(check_command, str(path))) == 1
    assert capsys.readouterr().out.startswith("refused: ")


def test_a_refuted_domain_of_ones_own_is_not_done(capsys):
    arguments = ("--theorem", "1", "--tau", "0.95", "1.3")
    assert prove_command.run(given(prove_command, *arguments)) == 1
    assert "counterexample mu=" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--theorem", "1", "--nu", "2", "1"), "low is above high"),
        (("--theorem", "2", "--nu", "0", "1"), "positive"),
        (("--theorem", "2", "--tau", "-1", "1"), "positive"),
        (("--theorem", "2", "--mu", "nan", "1"), "out of range"),
        (("--theorem", "2", "--mu", "a", "1"), "not a number"),
        (("--mu", "0", "1"), "needs --theorem"),
        (("--digits", "0"), "out of range"),
        (("--out", "/no/such/folder/x.json"), "--out=/no/such/folder/x.json: .* does not exist"),
        (("--out", "/"), "--out=/: is a folder"),
    ],
)
def test_mistakes_are_explained(arguments, said):
    # argparse takes "-1" for a number, so negative ends need no quoting.
    with pytest.raises(ConfigError, match=said):
        prove_command.run(given(prove_command, *arguments))


def test_a_certificate_that_is_none_is_explained(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(ConfigError, match="No such file"):
        check_command.run(given(check_command, str(path)))
    path.write_text("nonsense")
    with pytest.raises(ConfigError, match="not JSON"):
        check_command.run(given(check_command, str(path)))
    path.write_text("[" * 100_000)
    with pytest.raises(ConfigError, match="nested too deeply"):
        check_command.run(given(check_command, str(path)))


def test_a_target_is_refused_before_anything_is_proved(tmp_path, monkeypatch):
    monkeypatch.setattr(prove_command, "prove", lambda *_: pytest.fail("it was proved first"))
    with pytest.raises(ConfigError, match="is a folder"):
        prove_command.run(given(prove_command, "--out", str(tmp_path)))


def test_a_file_that_cannot_be_written_is_named_as_the_user_did(tmp_path, monkeypatch):
    def fail(path, _):
        raise OSError(28, "No space left on device", str(path.with_name(".partial")))

    monkeypatch.setattr(prove_command, "write_whole", fail)
    path = tmp_path / "x.json"
    with pytest.raises(OSError, match="No space left") as told:
        prove_command.run(given(prove_command, "--theorem", "2", "--out", str(path)))
    assert told.value.filename == str(path)


def test_whole_numbers_are_written_out(capsys):
    arguments = ("--theorem", "2", "--nu", "3", "1000", "--budget", "3")
    assert prove_command.run(given(prove_command, *arguments)) == 1
    out = capsys.readouterr().out
    assert "nu in [3, 1000]" in out
    assert "undecided (budget) " in out


@pytest.mark.slow
def test_sharp_constants_answer_how_small_nu_may_get(capsys):
    arguments = ("--theorem", "2", "--sharp")
    assert prove_command.run(given(prove_command, *arguments)) == 0
    (line,) = [each for each in capsys.readouterr().out.splitlines() if "nu <= 0.24" in each]
    assert "[0.00001632" in line
    assert line.endswith("true up to there")


def test_numbers_next_to_0_are_rounded_without_writing_them_out():
    deep = flint.arb(2) ** -(10**12)
    assert bound(deep, 5, True) == "1E-400"
    assert bound(deep, 5, False) == bound(-deep, 5, True) == "0"
    assert bound(-deep, 5, False) == "-1E-400"
