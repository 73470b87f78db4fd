"""The command that reports IPv6 adoption: shares with their denominators, trend, worst first."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ....console import (
    Command,
    Session,
    json_option,
    note,
    number,
    pass_session,
    print_json,
    print_table,
)
from ....data.words import say

if TYPE_CHECKING:
    from ....coverage.adoption import Group as AdoptionGroup
    from ....coverage.adoption import HostStatus
    from ....coverage.adoption_pack import Pack
    from ....coverage.adoption_trend import Step, Trend
    from ....coverage.provinces import Provinces
    from ....data.sample import Sample
    from ....data.store import Store

_GROUP_HEADERS = (
    "group", "hosts", "judged", "with IPv6", "share", "tried", "answered", "dead", "score",
    "web", "DNS", "mail", "left out",
)  # fmt: skip
_TREND_HEADERS = ("audit", "last check", "hosts", "with IPv6", "share", "dead", "better", "worse")
_WORST_HEADERS = ("host", "agency", "what was found", "what to do")
_STEP_HEADERS = ("host", "agency", "before", "now")
_SIGNS = {"green": "●", "yellow": "◐", "red": "○", "grey": "–"}
_SHOWN_STEPS = 20


@click.command(cls=Command)
@click.option("--audit", "name", help="Which audit; without it, the latest.")
@click.option(
    "--all", "everything", is_flag=True, help="Every host of the store, by its newest check."
)
@click.option(
    "--by",
    type=click.Choice(("all", "agency", "bureau", "parent", "level", "unit", "province")),
    default="agency",
    show_default=True,
    help="What the hosts are counted by.",
)
@click.option(
    "--pack", "pack_name", default="internet-nl", help="Scoring scheme: a name or a file."
)
@click.option("--boundaries", "set_id", help="The set of boundaries, where several are loaded.")
@click.option("--html", type=click.Path(path_type=Path), help="Write the report as one HTML page.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
@json_option
@pass_session
def report(
    session: Session,
    /,
    name: str | None,
    by: str,
    pack_name: str,
    html: Path | None,
    as_csv: bool,
    as_json: bool,
    **chosen: Any,
) -> None:
    """
    Say how many have IPv6, by agency or area, how it changed, and who only pretends.

    A share names its denominator; what is not known is left out and counted by reason. Without
    --audit or --all it is the latest audit; the trend is over all audits of the same hosts.
    """
    from ....coverage.adoption import roll_up
    from ....coverage.adoption_pack import load_pack
    from ....coverage.adoption_trend import trend
    from ....data.ipv6 import list_audits

    pack = load_pack(pack_name)
    with session.store(create=False) as store:
        audits = [kept.id for kept in list_audits(store)]
        audit = _chosen_audit(audits, name, everything=chosen["everything"])
        statuses = _some(statuses_of(store, audit, pack))
        rows = trend(
            (each, statuses if each == audit else statuses_of(store, each, pack)) for each in audits
        )
        provinces = _provinces(store, chosen["set_id"], by, statuses, drawn=html is not None)
    groups = roll_up(
        statuses, by, province_of=provinces.name_of if provinces else lambda unit: None
    )
    mine = next((row for row in rows if row.audit == audit), None)
    if html is not None:
        _write_page(html, statuses, rows, mine, pack, provinces)
    if as_json:
        print_json([*(group.record() for group in groups), *(_trend_record(row) for row in rows)])
    elif as_csv:
        _print_csv(groups)
    else:
        _print_report(groups, rows, mine, statuses, pack)


def _chosen_audit(known: "Sequence[str]", name: str | None, *, everything: bool) -> str | None:
    """Give the audit that was named, or the latest; None is every host by its newest check."""
    from ....data.errors import ConfigError

    if name is not None and name not in known:
        raise ConfigError(
            "there is no audit {name}; there are: {known}",
            name=name,
            known=", ".join(known) or "–",
        )
    if everything or (name is None and not known):
        return None
    return name or known[-1]


def _some(statuses: "list[HostStatus]") -> "list[HostStatus]":
    from ....data.errors import ConfigError

    if not statuses:
        raise ConfigError("no IPv6 check is kept here; make one with: phusong ipv6 check NAME")
    return statuses


def statuses_of(store: "Store", audit: str | None, pack: "Pack | None") -> "list[HostStatus]":
    from ....coverage.adoption import newest, status_of
    from ....coverage.adoption_pack import load_pack
    from ....data.ipv6 import kept_checks

    pack = pack or load_pack()
    return newest(status_of(kept.at, kept.record, pack) for kept in kept_checks(store, audit=audit))


def _provinces(
    store: "Store",
    set_id: str | None,
    by: str,
    statuses: "Sequence[HostStatus]",
    *,
    drawn: bool,
) -> "Provinces | None":
    """Give the provinces, where they are asked for or units are there to draw."""
    if by != "province" and not (drawn and any(s.about.get("unit") for s in statuses)):
        return None
    try:
        from ....coverage.boundary_rows import frame_from_rows
        from ....coverage.provinces import Provinces
        from ....data.kept import load_boundaries, load_boundary_set

        header = load_boundary_set(store, set_id, level="province")
        if header is None:
            return Provinces.vietnam()
        rows = {level: load_boundaries(store, header["id"], level) for level in header["levels"]}
    except ModuleNotFoundError as error:
        if by == "province":
            raise
        note("the page has no province map: it needs the package {name}", name=error.name)
        return None
    below = [row for level, found in rows.items() if level != "province" for row in found]
    return Provinces.make(
        frame_from_rows(rows["province"]),
        frame_from_rows(below) if below else None,
        approximate=bool(header["approximate"]),
    )


def _write_page(
    html: Path,
    statuses: "Sequence[HostStatus]",
    rows: "Sequence[Trend]",
    mine: "Trend | None",
    pack: "Pack",
    provinces: "Provinces | None",
) -> None:
    from ....maps.adoption_page import render_adoption
    from ....maps.page import write_page
    from ..findings import EXPLAINED

    page = render_adoption(
        statuses, rows, mine=mine, pack=pack, explained=EXPLAINED, provinces=provinces
    )
    size = write_page(html, page)
    note("{file} written, {kb} kB; open it in any browser", file=html, kb=number(size / 1e3, 0))


def show_groups(statuses: "Sequence[HostStatus]", by: str, *, as_json: bool) -> None:
    from ....coverage.adoption import roll_up

    groups = roll_up(statuses, by)
    if as_json:
        print_json(group.record() for group in groups)
    else:
        print_table([_group_row(group) for group in groups], _GROUP_HEADERS)


def _group_row(group: "AdoptionGroup") -> list[object]:
    left_out = ", ".join(f"{_meaning(name)}: {n}" for name, n in group.excluded.items())
    return [
        say("all") if group.key == "all" else group.key or say("(not named)"),
        number(group.hosts, 0),
        number(group.judged, 0),
        number(group.with_aaaa, 0),
        _percent(group.share),
        number(group.tried, 0),
        number(group.reached, 0),
        number(group.dead, 0),
        _percent(group.total),
        *(_colours(group.views[service]) for service in ("web", "dns", "mail")),
        left_out or None,
    ]


def _colours(counts: "Mapping[str, int]") -> str:
    """Write how many are complete, in part, without and not known, leaving out none."""
    return " ".join(f"{_SIGNS[name]}{number(n, 0)}" for name, n in counts.items() if n) or "–"


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{number(100 * share, 1)}%"


def _meaning(reason: str) -> str:
    from ..findings import EXPLAINED

    return say(EXPLAINED.get(reason, (reason, ""))[0])


def _print_report(
    groups: "Sequence[AdoptionGroup]",
    rows: "Sequence[Trend]",
    mine: "Trend | None",
    statuses: "Sequence[HostStatus]",
    pack: "Pack",
) -> None:
    from ....coverage.adoption import worst_offenders

    if mine is not None:
        note("audit {audit}, last check {day}", audit=mine.audit, day=f"{mine.at:%Y-%m-%d}")
    worst = worst_offenders(statuses)
    if worst:
        print_table([_worst_row(status) for status in worst], _WORST_HEADERS)
        click.echo()
    print_table([_group_row(group) for group in groups], _GROUP_HEADERS)
    note("● complete, ◐ in part, ○ no IPv6, – not known or no such service")
    if mine is not None and mine.change is not None:
        _print_steps("worse since {audit}: {n}", mine.change.worse, mine.change.since)
        _print_steps("better since {audit}: {n}", mine.change.better, mine.change.since)
    if len(rows) > 1:
        click.echo()
        print_table([_trend_row(row) for row in rows], _TREND_HEADERS)
    if not pack.verified:
        note("the points of {pack} have not been checked against their source", pack=pack.id)


def _worst_row(status: "HostStatus") -> list[object]:
    from ..findings import EXPLAINED

    reason = status.reasons[0] if status.reasons else status.aaaa_reason
    meaning, remedy = EXPLAINED.get(reason, (reason, ""))
    agency = status.about.get("agency")
    return [status.host, agency, say(meaning), say(remedy) if remedy else None]


def _print_steps(title: str, steps: "Sequence[Step]", since: str) -> None:
    from ..findings import STANDING_WORDS

    click.echo()
    click.echo(say(title, audit=since, n=number(len(steps), 0)))
    if steps:
        rows = [
            [step.host, step.agency, *(say(STANDING_WORDS[n]) for n in (step.before, step.after))]
            for step in steps[:_SHOWN_STEPS]
        ]
        print_table(rows, _STEP_HEADERS)


def _trend_row(row: "Trend") -> list[object]:
    change = row.change
    return [
        row.audit,
        f"{row.at:%Y-%m-%d}",
        number(row.group.hosts, 0),
        number(row.group.with_aaaa, 0),
        _percent(row.group.share),
        number(row.group.dead, 0),
        number(len(change.better), 0) if change else None,
        number(len(change.worse), 0) if change else None,
    ]


def _trend_record(row: "Trend") -> dict[str, Any]:
    change = row.change
    return {
        "audit": row.audit,
        "at": row.at,
        **{name: value for name, value in row.group.record().items() if name != "group"},
        "since": change.since if change else None,
        "better": [asdict(step) for step in change.better] if change else None,
        "worse": [asdict(step) for step in change.worse] if change else None,
    }


def _print_csv(groups: "Sequence[AdoptionGroup]") -> None:
    import csv
    import io
    import json

    from ....data.export import safe_cell

    out = io.StringIO(newline="")
    writer = csv.writer(out)
    for position, group in enumerate(groups):
        row = group.record()
        row |= {name: json.dumps(row[name]) for name in ("excluded", "scores", "views")}
        if position == 0:
            writer.writerow(row)
        writer.writerow([safe_cell(cell) for cell in row.values()])
    click.echo(out.getvalue(), nl=False)


def finding_rows(samples: "Sequence[Sample]") -> list[list[object]]:
    """Give each sample's findings as rows: host, question, answer, meaning, remedy."""
    import json

    from ..findings import EXPLAINED, MARK_WORDS, QUESTIONS, Mark

    rows: list[list[object]] = []
    for sample in samples:
        record = json.loads(sample.source.record or "{}")
        for position, found in enumerate(record["findings"]):
            meaning, remedy = EXPLAINED.get(found["reason"], (found["reason"], ""))
            good = found["mark"] in ("good", "not_applicable")
            rows.append(
                [
                    record["host"] if position == 0 else "",
                    say(QUESTIONS.get(found["test"], found["test"])),
                    say(MARK_WORDS[Mark(found["mark"])]),
                    say(meaning),
                    None if good or not remedy else say(remedy),
                ]
            )
    return rows
