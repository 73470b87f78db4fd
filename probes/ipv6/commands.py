"""Commands that ask who answers over IPv6, keep what came of it, and report."""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...console import (
    EXIT_BAD_ANSWER,
    Group,
    Session,
    json_option,
    note,
    number,
    pass_session,
    print_json,
    print_table,
    progress,
)
from ...data.words import say
from ..options import allow_private_option
from .options import column_option, looking_options
from .report.commands import finding_rows, report, show_groups, statuses_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...data.sample import Sample
    from ...data.store import Store
    from .path import PathReport
    from .resolver import Server
    from .settings import Settings
    from .targets import ListedHost
    from .vantage import Vantage

_BATCH = 50
_PATH_HEADERS = ("hop", "who answered", "ms")
_CHECK_HEADERS = ("host", "question", "answer", "what was found", "what to do")


@click.group(cls=Group)
def ipv6() -> None:
    """IPv6: who answers over it on the web, in DNS and by mail, who only pretends."""


ipv6.add_command(report)


@ipv6.command()
@click.argument("names", nargs=-1, required=True)
@looking_options
@json_option
@pass_session
def check(session: Session, /, names: tuple[str, ...], as_json: bool, **looking: Any) -> None:
    """
    Look at hosts over both families, and keep what came of it.

    First this machine's own IPv6 is proven: without it, who can be reached is unknown, never no.
    """
    from .targets import ListedHost, host_in

    listed = [
        ListedHost(line=n, host=host_in(name), site=name, about={})
        for n, name in enumerate(names, 1)
    ]
    samples: list[Sample] = []
    with session.store() as store:
        _look(store, listed, looking, on_kept=samples.extend)
    if as_json:
        import json

        print_json(json.loads(sample.body()) for sample in samples)
    else:
        print_table(finding_rows(samples), _CHECK_HEADERS)
    if not any(sample.outcome.value == "ok" for sample in samples):
        raise SystemExit(EXIT_BAD_ANSWER)


@ipv6.command()
@click.argument("file", type=click.Path(path_type=Path))
@column_option
@click.option("--new", "again", is_flag=True, help="Begin a new audit, even if one is unfinished.")
@looking_options
@json_option
@pass_session
def audit(
    session: Session,
    /,
    file: Path,
    columns: tuple[str, ...],
    again: bool,
    as_json: bool,
    **looking: Any,
) -> None:
    """
    Look at every host of a CSV list; an audit that was broken off continues where it was.

    Fields: host, agency, bureau, parent, level, unit. Columns with usual names are found.
    """
    from ...data.ipv6 import hosts_done, list_audits
    from .targets import fingerprint, read_list

    listed = list({row.host: row for row in read_list(file, _named(columns))}.values())
    start = f"audit-{fingerprint(file)[:12]}-"
    with session.store() as store:
        earlier = [kept.id for kept in list_audits(store) if kept.id.startswith(start)]
        done = hosts_done(store, earlier[-1]) if earlier else set()
        left = [row for row in listed if row.host not in done]
        if earlier and left and not again:
            name = earlier[-1]
            note(
                "continuing {audit}: {done} {done:host is|hosts are} done",
                audit=name,
                done=len(done),
            )
        else:
            name, left = f"{start}{datetime.now(UTC):%Y%m%dT%H%M%SZ}", listed
        with progress("Auditing", len(left)) as step:
            _look(store, left, looking, audit=name, on_kept=lambda batch: step(len(batch)))
        statuses = statuses_of(store, name, None)
    show_groups(statuses, "all", as_json=as_json)
    if not as_json:
        note("kept as {audit}; see: phusong ipv6 report", audit=name)


@ipv6.command()
@click.argument("address")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=443,
    show_default=True,
    help="TCP port that the hops are asked on.",
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0.05, 30),
    default=1.0,
    show_default=True,
    help="Seconds to wait for each answer.",
)
@allow_private_option
@json_option
def path(address: str, port: int, timeout_s: float, allow_private: bool, as_json: bool) -> None:
    """
    Look closer at the path to one IPv6 address: echo, hops, largest packet, black holes.

    With raw sockets (root, or CAP_NET_RAW) scapy asks; without them the kernel does what it allows
    everyone.
    """
    from ...data.errors import ProbeError
    from ..interface import AttemptError
    from .findings import UNKNOWN_WORDS
    from .path import look_at_path

    try:
        seen = look_at_path(address, port=port, allow_private=allow_private, timeout_s=timeout_s)
    except AttemptError:
        raise ProbeError(
            "{address} is no IPv6 address that may be connected to (--allow-private?)",
            address=address,
        ) from None
    if as_json:
        print_json([seen.record()])
    else:
        print_table(_path_rows(seen), _PATH_HEADERS)
        if not seen.raw:
            note(
                "without raw sockets (root, or CAP_NET_RAW) the kernel was asked; what is missing"
                " above: {missing}",
                missing=", ".join(say(UNKNOWN_WORDS[why]) for why in seen.unknown.values()) or "–",
            )
    if not seen.echo_ms and not any(hop[1] for hop in seen.hops):
        raise SystemExit(EXIT_BAD_ANSWER)


def _path_rows(seen: "PathReport") -> list[list[object]]:
    rows: list[list[object]] = [
        [say("echo"), say("ok") if seen.echo_ms else None, number(min(seen.echo_ms, default=None))]
    ]
    rows += [[number(hop, 0), ip, number(ms)] for hop, ip, ms in seen.hops]
    size = say("black hole: larger packets are lost in silence") if seen.black_hole else None
    rows.append([say("largest packet, bytes"), size, number(seen.mtu, 0)])
    return rows


@ipv6.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--as-of",
    type=click.DateTime(("%Y-%m-%d",)),
    required=True,
    help="The day on which these results were found.",
)
@column_option
@json_option
@pass_session
def import_list(
    session: Session, file: Path, as_of: datetime, columns: tuple[str, ...], as_json: bool
) -> None:
    """
    Take others' results: a CSV of host, agency, and whether it has AAAA (yes, no or unknown).

    The same file again changes nothing. Fields: host, agency, bureau, parent, level, unit, aaaa,
    reachable.
    """
    from .audit import imported_sample
    from .targets import fingerprint, read_list

    sha256 = fingerprint(file)
    name = f"import-{sha256[:12]}"
    at = as_of.replace(tzinfo=UTC)
    samples = [
        imported_sample(row, probe=name, at=at, audit=name, file=file.name, sha256=sha256)
        for row in read_list(file, _named(columns))
    ]
    with session.store() as store:
        store.add_source_file(sha256=sha256, name=file.name, tool="ipv6-list")
        merged = store.merge_records(name, samples)
    if as_json:
        print_json([{"audit": name, "new": merged.new, "duplicate": merged.duplicate}])
    else:
        note(
            "{new} {new:result|results} added as {audit}, {duplicate} {duplicate:was|were} there"
            " already",
            new=number(merged.new, 0),
            duplicate=number(merged.duplicate, 0),
            audit=name,
        )
    if not samples:
        raise SystemExit(EXIT_BAD_ANSWER)


def _named(columns: Sequence[str]) -> dict[str, str]:
    from ...data.errors import ConfigError
    from .targets import FIELDS

    named = {}
    for text in columns:
        field, equals, column = text.partition("=")
        if not equals or field not in FIELDS:
            raise ConfigError(
                "--column {text}: write FIELD=COLUMN with a field of {fields}",
                text=text,
                fields=", ".join(FIELDS),
            )
        named[field] = column
    return named


def _look(
    store: "Store",
    hosts: "Sequence[ListedHost]",
    looking: dict[str, Any],
    *,
    audit: str | None = None,
    on_kept: "Callable[[list[Sample]], object]",
) -> None:
    """Check hosts and commit every batch before anybody hears of it."""
    from .audit import run_audit
    from .vantage import REFERENCES

    servers, settings = settings_of(looking)
    with committing(store, on_kept) as on_sample:
        run_audit(
            hosts,
            servers,
            settings,
            probe=store.own_probe(),
            audit=audit,
            references=looking["references"] or REFERENCES,
            signed_name=looking["signed_name"],
            workers=looking["workers"],
            queries_per_s=looking["queries_per_second"],
            on_vantage=_tell_vantage,
            on_sample=on_sample,
        )


def settings_of(looking: dict[str, Any]) -> "tuple[list[Server], Settings]":
    from .resolver import Server, system_servers
    from .settings import PARTS, Settings

    servers = [Server.parse(text) for text in looking["resolvers"]] or system_servers()
    settings = Settings(
        allow_private=looking["allow_private"],
        ca_file=looking["ca"],
        parts=looking["parts"] or PARTS,
        look_at_path=looking.get("look_at_path", False),
    )
    return servers, settings


@contextmanager
def committing(
    store: "Store", on_kept: "Callable[[list[Sample]], object]"
) -> "Iterator[Callable[[Sample], None]]":
    """Give a function that keeps samples some at a time; what is left is kept at the end."""
    import time

    waiting: list[Sample] = []
    last = time.monotonic()

    def flush() -> None:
        nonlocal last
        if waiting:
            kept = store.append(waiting)
            waiting.clear()
            on_kept(kept)
        last = time.monotonic()

    def on_sample(sample: "Sample") -> None:
        waiting.append(sample)
        if len(waiting) >= _BATCH or time.monotonic() - last > 1:
            flush()

    try:
        yield on_sample
    finally:
        flush()


def _tell_vantage(vantage: "Vantage") -> None:
    if not vantage.ipv6:
        note(
            "this machine has no working IPv6 ({references}): who can be reached is unknown",
            references=", ".join(f"{n}: {said}" for n, said in vantage.references.items()),
        )
    if not vantage.validates:
        note("the resolver does not check DNSSEC: secure or not is unknown")
