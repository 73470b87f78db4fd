"""The command that reports IPv6 adoption: shares with their denominators, trend, worst first."""

from collections.abc import Callable, Sequence
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
    from ....coverage.adoption import HostStatus, Pack, Trend
    from ....data.sample import Sample
    from ....data.store import Store

_GROUP_HEADERS = (
    "group", "hosts", "judged", "with IPv6", "share", "tried", "answered", "dead", "score",
    "left out",
)  # fmt: skip
_TREND_HEADERS = ("audit", "last check", "hosts", "with IPv6", "share", "dead", "better", "worse")
_WORST_HEADERS = ("host", "agency", "what was found", "what to do")


@click.command(cls=Command)
@click.option("--audit", "name", help="Which audit; without it, the newest status of every host.")
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
@click.option("--html", type=click.Path(path_type=Path), help="Write the report as one HTML page.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
@json_option
@pass_session
def report(
    session: Session,
    name: str | None,
    by: str,
    pack_name: str,
    html: Path | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """
    Say how many have IPv6, by agency or area, how it changed, and who only pretends.

    A share names its denominator; what is not known is left out and counted by reason.
    """
    from ....coverage.adoption import load_pack, roll_up, trend, worst_offenders
    from ....data.errors import ConfigError
    from ....data.ipv6 import list_audits

    pack = load_pack(pack_name)
    with session.store(create=False) as store:
        statuses = statuses_of(store, name, pack)
        audits = [(kept.id, statuses_of(store, kept.id, pack)) for kept in list_audits(store)]
    if not statuses:
        raise ConfigError("no IPv6 check is kept here; make one with: phusong ipv6 check NAME")
    groups = roll_up(statuses, by, province_of=_province_of(by))
    worst = worst_offenders(statuses)
    rows = trend(audits)
    if html is not None:
        from ....maps.adoption_page import render_adoption
        from ....maps.page import write_page
        from ..findings import EXPLAINED

        page = render_adoption(statuses, groups, rows, pack=pack, explained=EXPLAINED)
        size = write_page(html, page)
        note("{file} written, {kb} kB; open it in any browser", file=html, kb=number(size / 1e3, 0))
    if as_json:
        print_json([*(group.record() for group in groups), *(_trend_record(row) for row in rows)])
    elif as_csv:
        _print_csv(groups)
    else:
        _print_report(groups, rows, worst, pack)


def statuses_of(store: "Store", audit: str | None, pack: "Pack | None") -> "list[HostStatus]":
    from ....coverage.adoption import load_pack, newest, status_of
    from ....data.ipv6 import kept_checks

    pack = pack or load_pack()
    return newest(status_of(kept.at, kept.record, pack) for kept in kept_checks(store, audit=audit))


def _province_of(by: str) -> Callable[[str], str | None]:
    if by != "province":
        return lambda unit: None
    from ....coverage.approximate import vietnam_communes

    communes = vietnam_communes()
    names = dict(zip(communes["code"], communes["parent_name"], strict=True))
    names |= dict(zip(communes["parent_code"], communes["parent_name"], strict=True))
    return lambda unit: names.get(unit, unit or None)


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
        left_out or None,
    ]


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{number(100 * share, 1)}%"


def _meaning(reason: str) -> str:
    from ..findings import EXPLAINED

    return say(EXPLAINED.get(reason, (reason, ""))[0])


def _print_report(
    groups: "Sequence[AdoptionGroup]",
    rows: "Sequence[Trend]",
    worst: "Sequence[HostStatus]",
    pack: "Pack",
) -> None:
    from ..findings import EXPLAINED

    print_table([_group_row(group) for group in groups], _GROUP_HEADERS)
    if len(rows) > 1:
        click.echo()
        print_table([_trend_row(row) for row in rows], _TREND_HEADERS)
    if worst:
        click.echo()
        shown = []
        for status in worst:
            reason = status.reasons[0] if status.reasons else status.aaaa_reason
            meaning, remedy = EXPLAINED.get(reason, (reason, ""))
            agency = status.about.get("agency")
            shown.append([status.host, agency, say(meaning), say(remedy) if remedy else None])
        print_table(shown, _WORST_HEADERS)
    if not pack.verified:
        note("the points of {pack} have not been checked against their source", pack=pack.id)


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
        "better": list(change.better) if change else None,
        "worse": list(change.worse) if change else None,
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
        row |= {name: json.dumps(row[name]) for name in ("excluded", "scores")}
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
