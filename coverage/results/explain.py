"""Why an area has its verdict, operator by operator, and what would settle it."""

from collections.abc import Callable, Iterator, Sequence
from textwrap import wrap

from ...data.sample import NrEvidence
from ...data.words import say
from ..reduce import METRICS
from ..summary import ANY_OPERATOR, AreaSummary, Result, Verdict
from ..trials import REASON_TEXTS
from ..verdict import REACH
from ..wording import printable, width_line
from .tables import further, interval, share, speed_interval

Write = Callable[[float | None, int], str | None]
Row = tuple[str | None, ...]
_LABEL_WIDTH = 30
# Means that differ by less are the same to a reader.
_TELLING = 0.02


def reason(area: AreaSummary, result: Result, write: Write) -> str:
    """Say in one sentence why an operator has its verdict in an area."""
    figures = {
        "required": write(100 * result.required_share, 1),
        "low": write(None if area.share_low is None else 100 * area.share_low, 1),
        "high": write(None if area.share_high is None else 100 * area.share_high, 1),
        "places": write(area.places, 0),
        "sectors": write(area.sectors, 0),
        "of": write(area.sectors_of, 0),
    }
    if area.verdict is Verdict.NO_DATA:
        return say("No trial was made here: nothing is known, which is not the same as no network.")
    if area.verdict is Verdict.COVERED:
        return say(
            "Even the lower end of the interval, {low} %, reaches the {required} %.", **figures
        )
    if area.verdict is Verdict.NOT_COVERED:
        return say(
            "Even the upper end of the interval, {high} %, misses the {required} %.", **figures
        )
    if area.sectors < REACH * area.sectors_of:
        return say(
            "{places:The place lies|The places lie} in {sectors} of some {of} sectors of the area;"
            " a verdict needs a third of them, because a road or a corner does not stand for the"
            " rest.",
            **figures,
        )
    low, high = area.share_low or 0.0, 1.0 if area.share_high is None else area.share_high
    if low < result.required_share <= high:
        return say(
            "The required {required} % lies inside the interval, {low} to {high} %: both are"
            " possible.",
            **figures,
        )
    return say("{places} {places:place is|places are} too few for any verdict.", **figures)


def reasons(areas: Sequence[AreaSummary], result: Result, write: Write) -> Iterator[str]:
    """Say for each operator why, and what would settle it; then what must be known of means."""
    yield from _verdicts(areas, result, write)
    if any(getattr(area, f"{name}_median") is not None for area in areas for name in METRICS):
        yield width_line(result, write)
    if told := _means_line(areas, write):
        yield told


def _verdicts(areas: Sequence[AreaSummary], result: Result, write: Write) -> Iterator[str]:
    operators = sum(area.operator != ANY_OPERATOR and area.trials > 0 for area in areas)
    for area in areas:
        if area.operator == ANY_OPERATOR and area.best_operator is not None:
            yield say(
                "Any operator: the best of them is {name}.", name=printable(area.best_operator)
            )
            if area.verdict is Verdict.COVERED and operators > 1:
                yield say(
                    "The best of {operators} operators has {operators} chances to err: where none"
                    " truly covers the area, up to {wrong} % of campaigns would say covered.",
                    operators=write(operators, 0),
                    wrong=write(100 * operators * (1 - result.confidence) / 2, 1),
                )
            continue
        who = "" if area.operator == ANY_OPERATOR else f"{printable(area.operator)}: "
        yield who + reason(area, result, write)
        if area.verdict not in (Verdict.UNPROVEN, Verdict.NO_DATA):
            continue
        if area.further_places:
            yield who + say(
                "{further} further {further:place|places} all over the area would prove it covered"
                " if all pass.",
                further=write(area.further_places, 0),
            )
        if area.further_places_at_share:
            yield who + say(
                "{further} further {further:place|places} would, if the present share holds.",
                further=write(area.further_places_at_share, 0),
            )


def _means_line(areas: Sequence[AreaSummary], write: Write) -> str | None:
    """Say why the mean of all tests is not that of places, for the first operator that has both."""
    for area in areas:
        tests, places = area.down_mbps_mean, area.down_mbps_place_mean
        if tests is not None and places is not None and abs(tests - places) > _TELLING * places:
            return say(
                "The mean of all tests, {tests} Mbit/s, is not that of places, {even}: {trials}"
                " trials lie on {places} places, and where somebody tested often counts for more.",
                tests=write(tests, 1),
                even=write(places, 1),
                trials=write(area.trials, 0),
                places=write(area.places, 0),
            )
    return None


def facts(areas: Sequence[AreaSummary], write: Write) -> list[Row]:
    """Give what is known as rows: a name, then a cell for each operator."""
    rows = [
        _row(say("verdict"), areas, lambda area: say(area.verdict.value)),
        _row(say("share %"), areas, lambda area: share(area, write)),
        _row(say("interval %"), areas, lambda area: interval(area, write)),
        _row(say("places"), areas, lambda area: write(area.places, 0)),
        _row(say("sectors with places"), areas, lambda area: _part(area, write)),
        _row(say("occasions"), areas, lambda area: write(area.occasions, 0)),
        _row(say("further places"), areas, lambda area: further(area, write)),
        _row(say("samples"), areas, lambda area: write(area.samples, 0)),
        _row(say("of them simulated"), areas, lambda area: write(area.simulated, 0)),
        _row(say("trials"), areas, lambda area: write(area.trials, 0)),
        _row(say("successes"), areas, lambda area: write(area.successes, 0)),
        _row(say("area uncertain"), areas, lambda area: write(area.uncertain, 0)),
    ]
    for name, text in REASON_TEXTS.items():
        counts = [area.excluded.get(name, 0) for area in areas]
        if any(counts):
            label = _folded(say("not trials: {reason}", reason=say(text)))
            rows.append((label, *(write(count, 0) for count in counts)))
    for evidence in NrEvidence:
        counts = [area.nr_evidence.get(evidence.value, 0) for area in areas]
        if any(counts):
            label = say("5G evidence: {class_}", class_=say(evidence.value))
            rows.append((_folded(label), *(write(count, 0) for count in counts)))
    for metric, unit in (
        ("down_mbps", say("down Mbit/s")),
        ("up_mbps", say("up Mbit/s")),
        ("rtt_idle_ms", say("RTT ms")),
    ):
        rows += _speeds(metric, unit, areas, write)
    return rows


def _speeds(metric: str, unit: str, areas: Sequence[AreaSummary], write: Write) -> list[Row]:
    if all(getattr(area, f"{metric}_median") is None for area in areas):
        return []

    def value(name: str) -> Callable[[AreaSummary], str | None]:
        return lambda area: write(getattr(area, f"{metric}_{name}"), 1)

    def spread(name: str) -> Callable[[AreaSummary], str | None]:
        return lambda area: speed_interval(area, f"{metric}_{name}", write)

    return [
        _row(say("{metric}, median", metric=unit), areas, value("median")),
        _row(say("its interval"), areas, spread("median")),
        _row(say("{metric}, mean of all tests", metric=unit), areas, value("mean")),
        _row(say("interval of that mean"), areas, spread("mean")),
        _row(say("{metric}, mean of places", metric=unit), areas, value("place_mean")),
        _row(say("interval of that mean"), areas, spread("place_mean")),
    ]


def _row(
    label: str, areas: Sequence[AreaSummary], cell: Callable[[AreaSummary], str | None]
) -> Row:
    return (label, *(cell(area) for area in areas))


def _folded(label: str) -> str:
    return "\n".join(wrap(label, _LABEL_WIDTH))


def _part(area: AreaSummary, write: Write) -> str | None:
    return f"{write(area.sectors, 0)} / {write(area.sectors_of, 0)}" if area.sectors_of else None
