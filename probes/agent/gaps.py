"""
When nothing was measured, and why: planned attempts against what happened.

A run that never ended was killed, or the machine went down with it: the name of the boot tells
which. Attempts that were due and not made say why themselves. Time between two runs is a gap
that somebody chose. Sleep and a clock that was set are listed beside: they explain times that do
not add up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

KILLED = "killed"
POWER_LOST = "power_lost"
BROKEN_OFF = "broken_off"
STOPPED = "not_running"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GOING_ON = ("drive", "schedule")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """
    From when until when nothing was measured, and why.

    `attempts` is how many that were due or begun are known to have come to nothing; `seconds` is
    by the boot clock where it tells, so that a set wall clock does not stretch it.
    """

    began: datetime
    ended: datetime | None
    seconds: float | None
    why: str
    attempts: int

    def lasted(self) -> str | None:
        """Give how long it lasted as hours, minutes and seconds; None where nobody can say."""
        if self.seconds is None:
            return None
        seconds = round(abs(self.seconds))
        sign = "-" if self.seconds < 0 else ""
        return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"

    def shown(self) -> dict[str, Any]:
        """Give it by the names of its fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Attempts that were due, those that gave a sample, and the gaps between."""

    planned: int
    measured: int
    gaps: tuple[Gap, ...]


def account(
    records: Mapping[str, Sequence[Row]],
    *,
    is_alive: Callable[[int, str | None], bool],
    boot_id: str | None,
) -> Account:
    """
    Give what came of all attempts that the agent planned.

    `records` are the rows of `agent_run`, `agent_attempt` and `agent_event`; `is_alive` tells
    whether a process of a boot still runs.
    """
    runs, attempts = records["agent_run"], records["agent_attempt"]
    gaps = _missed(attempts)
    for number, run in enumerate(runs):
        following = runs[number + 1] if number + 1 < len(runs) else None
        begun = [a for a in attempts if a["run"] == run["n"] and a["happened"] == "begun"]
        if run["ended_us"] is not None:
            gaps += [_gap(each["begun_us"], run["ended_us"], BROKEN_OFF, 1) for each in begun]
        if run["ended_us"] is None and not is_alive(run["process"], run["boot_id"]):
            gaps.append(_broken_off(run, following, begun, boot_id))
        elif run["ended_us"] is not None and following and run["mode"] in _GOING_ON:
            gaps.append(_gap(run["ended_us"], following["started_us"], STOPPED, 0))
    for event in records["agent_event"]:
        end = None if event["what"] == "clock_jumped" else event["until_us"]
        gaps.append(
            Gap(
                began=_moment(event["from_us"]),
                ended=_moment(event["until_us"]) if end is not None else None,
                seconds=event["seconds"],
                why=event["what"],
                attempts=0,
            )
        )
    measured = sum(a["happened"] == "measured" for a in attempts)
    ordered = sorted(gaps, key=lambda gap: gap.began)
    return Account(planned=len(attempts), measured=measured, gaps=tuple(ordered))


def _missed(attempts: Sequence[Row]) -> list[Gap]:
    """Give one gap for each stretch of attempts that were missed for one reason."""
    gaps: list[Gap] = []
    last: Row | None = None
    first: Row | None = None
    count = 0
    for attempt in [*attempts, None]:
        missed = attempt is not None and attempt["happened"] == "not_measured"
        same = (
            missed
            and attempt is not None
            and last is not None
            and (last["run"], last["why"]) == (attempt["run"], attempt["why"])
        )
        if first is not None and last is not None and not same:
            seconds = (last["begun_boot_ms"] - first["begun_boot_ms"]) / 1000
            ended = attempt["begun_us"] if attempt and attempt["run"] == first["run"] else None
            if ended is not None and attempt is not None:
                seconds = (attempt["begun_boot_ms"] - first["begun_boot_ms"]) / 1000
            gaps.append(
                Gap(
                    began=_moment(first["begun_us"]),
                    ended=_moment(ended if ended is not None else last["begun_us"]),
                    seconds=seconds,
                    why=str(last["why"]),
                    attempts=count,
                )
            )
            first, count = None, 0
        if missed:
            first = first or attempt
            count += 1
        last = attempt if missed else None
    return gaps


def _broken_off(run: Row, following: Row | None, begun: Sequence[Row], boot_id: str | None) -> Gap:
    """Give the gap after a run that nobody ended."""
    next_boot = following["boot_id"] if following else boot_id
    why = KILLED if next_boot == run["boot_id"] else POWER_LOST
    began = min((attempt["begun_us"] for attempt in begun), default=run["seen_us"])
    return _gap(began, following["started_us"] if following else None, why, len(begun))


def _gap(began_us: int, ended_us: int | None, why: str, attempts: int) -> Gap:
    seconds = None if ended_us is None else (ended_us - began_us) / 1e6
    return Gap(
        began=_moment(began_us),
        ended=None if ended_us is None else _moment(ended_us),
        seconds=seconds,
        why=why,
        attempts=attempts,
    )


def _moment(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)
