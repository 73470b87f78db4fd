"""Colours that everybody can tell apart, on screen and on paper."""

import itertools

import numpy
import pytest

from phusong.coverage.summary import Verdict
from phusong.data.sample import NrEvidence
from phusong.maps.scale import (
    CHANGES,
    NO_DATA,
    NR_EVIDENCE,
    OVER_BASEMAP,
    OVER_BASEMAP_BY_NAME,
    STEPS,
    VERDICTS,
)

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
BLINDNESS = {
    "normal": numpy.eye(3),
    "protan": numpy.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deutan": numpy.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritan": numpy.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = numpy.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = TO_XYZ @ numpy.ones(3)


def lab(color: str, seen_by: str = "normal") -> numpy.ndarray:
    """Give CIE L*a*b* of a colour as a person with this kind of vision sees it."""
    rgb = numpy.array([int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = numpy.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ numpy.clip(BLINDNESS[seen_by] @ linear, 0, 1) / WHITE
    f = numpy.where(xyz > 216 / 24389, numpy.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return numpy.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_the_conversion_gives_the_published_lab_of_pure_red() -> None:
    assert lab("#ff0000") == pytest.approx([53.24, 80.09, 67.20], abs=0.05)


@pytest.mark.parametrize("seen_by", BLINDNESS)
def test_verdicts_stay_apart_for_every_kind_of_vision(seen_by: str) -> None:
    plain = [fill.color for fill in VERDICTS if fill.hatch is None]
    for one, other in itertools.combinations(plain, 2):
        assert numpy.linalg.norm(lab(one, seen_by) - lab(other, seen_by)) > 25


@pytest.mark.parametrize("seen_by", BLINDNESS)
def test_changes_of_verdict_stay_apart_for_every_kind_of_vision(seen_by: str) -> None:
    plain = [fill.color for fill in CHANGES if fill.hatch is None]
    for one, other in itertools.combinations(plain, 2):
        assert numpy.linalg.norm(lab(one, seen_by) - lab(other, seen_by)) > 15


def test_better_and_worse_stay_apart_on_a_grey_printer() -> None:
    color = {fill.key: fill.color for fill in CHANGES}
    assert lab(color["worse"])[0] - lab(color["better"])[0] > 15


def test_covered_and_not_covered_stay_apart_on_a_grey_printer() -> None:
    color = {fill.key: fill.color for fill in VERDICTS}
    covered, other = lab(color[Verdict.COVERED])[0], lab(color[Verdict.NOT_COVERED])[0]
    assert other - covered > 30


@pytest.mark.parametrize("seen_by", BLINDNESS)
@pytest.mark.parametrize("name", STEPS)
def test_classes_of_a_number_stay_apart_for_every_kind_of_vision(name: str, seen_by: str) -> None:
    for one, other in itertools.combinations([*STEPS[name].colors, NO_DATA], 2):
        assert numpy.linalg.norm(lab(one, seen_by) - lab(other, seen_by)) > 12


@pytest.mark.parametrize("name", STEPS)
def test_more_is_darker_and_no_data_is_lightest(name: str) -> None:
    lightness = [lab(color)[0] for color in (NO_DATA, *STEPS[name].colors)]
    assert lightness == sorted(lightness, reverse=True)


@pytest.mark.parametrize("name", STEPS)
def test_classes_of_a_number_have_one_colour_more_than_edges(name: str) -> None:
    steps = STEPS[name]
    assert len(steps.colors) == len(steps.edges) + 1
    assert list(steps.edges) == sorted(set(steps.edges))


def test_only_what_the_evidence_does_not_settle_is_hatched() -> None:
    assert {fill.key for fill in VERDICTS if fill.hatch} == {Verdict.UNPROVEN}
    assert {fill.key for fill in NR_EVIDENCE if fill.hatch} == {NrEvidence.NSA_INDICATED}


PLAIN = {
    "verdict": [fill.color for fill in VERDICTS if fill.hatch is None],
    "nr": [*(fill.color for fill in NR_EVIDENCE if fill.hatch is None), NO_DATA],
    "change": [fill.color for fill in CHANGES if fill.hatch is None],
    **{name: [*steps.colors, NO_DATA] for name, steps in STEPS.items()},
}


@pytest.mark.parametrize("name", PLAIN)
def test_over_any_grey_basemap_a_class_is_nearest_to_its_own_colour(name: str) -> None:
    opacity = OVER_BASEMAP_BY_NAME.get(name, OVER_BASEMAP)
    own = [lab(color) for color in PLAIN[name]]
    for index, color in enumerate(PLAIN[name]):
        parts = numpy.array([int(color[at : at + 2], 16) for at in (1, 3, 5)])
        for grey in range(0, 256, 5):
            seen = numpy.rint(opacity * parts + (1 - opacity) * grey).astype(int)
            lies = lab("#" + "".join(f"{part:02x}" for part in seen))
            away = [numpy.linalg.norm(lies - other) for other in own]
            assert away.index(min(away)) == index, (color, grey)


def test_every_verdict_and_evidence_class_has_a_fill() -> None:
    assert {fill.key for fill in VERDICTS} == set(Verdict)
    assert [fill.key for fill in NR_EVIDENCE] == list(NrEvidence)
