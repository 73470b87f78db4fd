"""
Which metrics a probe measures at all: where its successes cannot be judged, its failures are not.

A source that only ever tests the download has no upload in its successes: under a rule that asks
for both they cannot be judged. Its failures name no metric and would all count against the
network, so that eight good tests and two timeouts came to a share of nought. Whether an attempt is
a trial must not depend on how it ended; so it depends on what its probe asks for, and that is told
by the speed tests that ended well. All of them measure the download.

The same holds for a rule that admits some engines only: an attempt that failed before its engine
was chosen names none.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from .rules import Rule

ASKED_SHARE = 0.9
MAY_BE_LEFT_OUT = ("up_mbps", "rtt_idle_ms")

Measured = tuple[str, int, int, int]
Tested = tuple[str, str | None, int, int]


def unasked_metrics(counts: Iterable[Measured]) -> dict[str, frozenset[str]]:
    """
    Give for each probe the metrics that fewer than nine in ten of its good speed tests measured.

    `counts` has each probe with how many of its speed tests ended well, and how many of those
    measured each of `MAY_BE_LEFT_OUT`. A probe of which none ended well is in none of them, and
    taken to have asked for everything.
    """
    found = {}
    for probe, tests, *measured in counts:
        missing = frozenset(
            name
            for name, count in zip(MAY_BE_LEFT_OUT, measured, strict=True)
            if count < ASKED_SHARE * tests
        )
        if missing:
            found[probe] = missing
    return found


def need_more_than_download(rules: Iterable[Rule]) -> bool:
    """Whether any rule asks for a metric that a speed test may leave out."""
    return any(rule.thresholds.keys() & set(MAY_BE_LEFT_OUT) for rule in rules)


def silent_probes(unasked: Mapping[str, frozenset[str]], rule: Rule) -> list[str]:
    """Give the probes that do not measure what a rule asks for."""
    return [probe for probe, names in unasked.items() if names & rule.thresholds.keys()]


def misfit_probes(tested: Iterable[Tested], rule: Rule) -> list[str]:
    """
    Give the probes of which no attempt can be judged by a rule that admits some engines only.

    `tested` has each probe and engine, None for the attempts that name none, with how many speed
    tests there were and how many of those ended well. Where nine in ten of a probe's good ones
    were by admitted engines, its attempts that name none are taken to be as well. Where fewer
    were, nobody knows whose they are: such a probe is left out whole. One that always names its
    engine is judged test by test.
    """
    good, admitted = Counter[str](), Counter[str]()
    unnamed = set()
    for probe, engine, tests, ended_well in tested:
        good[probe] += ended_well
        if engine in rule.engines:
            admitted[probe] += ended_well
        if engine is None and tests:
            unnamed.add(probe)
    return sorted(probe for probe in unnamed if admitted[probe] < ASKED_SHARE * good[probe])
