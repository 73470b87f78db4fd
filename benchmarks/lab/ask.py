"""Run one of our latency measurements inside the lab, and print it as JSON."""

import json
import sys
from dataclasses import replace

from phusong.probes.bufferbloat import LOAD_S, measure_bufferbloat
from phusong.probes.connection import reach
from phusong.probes.echo_session import ask_echoes
from phusong.probes.interface import Limits, Target
from phusong.probes.latency import loss_by_way, summarise
from phusong.probes.offer import ask_offer
from phusong.probes.responsiveness import Parameters, measure_responsiveness


def main() -> None:
    url, what, *words = sys.argv[1:]
    limits = Limits()
    target = Target.parse(url, allow_private=True)
    address = reach(target, limits)
    offer = ask_offer(target, address, limits)
    assert offer
    if what == "echo":
        count, interval_s = int(words[0]), float(words[1])
        # Whoever wants to ask beside us gives a line when all of them are ready.
        print("ready", file=sys.stderr, flush=True)
        sys.stdin.readline()
        echoes = ask_echoes(address, offer.token, probes=count, interval_s=interval_s, wait_s=3.0)
        seen, lost = summarise(echoes, method="udp_echo"), loss_by_way(echoes)
        shown: dict[str, object] = dict(seen.record["percentiles_ms"])
        shown |= {
            "asked": lost.asked,
            "up": 100 * (lost.up or 0) / max(1, lost.up_of),
            "down": 100 * (lost.down or 0) / max(1, lost.down_of),
        }
    elif what == "bloat":
        seconds = float(words[1]) if len(words) > 1 else LOAD_S
        bloat = measure_bufferbloat(target, address, offer.token, words[0], load_s=seconds)
        shown = {
            "idle": bloat.rtt_idle_ms,
            "loaded": bloat.rtt_loaded_ms,
            "p90": bloat.p90_ms,
            "p99": bloat.p99_ms,
            "mbps": bloat.mbps,
        }
    else:
        parameters = Parameters()
        if len(words) > 1:
            parameters = replace(parameters, at_most_s=float(words[1]))
        rpm = measure_responsiveness(target, address, words[0], parameters=parameters)
        shown = {
            "rpm": rpm.rpm,
            "foreign": rpm.foreign_rpm,
            "loaded": rpm.loaded_rpm,
            "confidence": rpm.confidence,
        }
    print(json.dumps(shown))


if __name__ == "__main__":
    main()
