"""Requests/s, latency and memory of Gatehouse beside nginx, HAProxy and no proxy at all.

The proxy has one core to itself; mock and load share the other. A 250-byte chat POST:
first as many as go in a closed loop of 64 connections, then 5,000 a second on a fixed
schedule, where latency counts from when a call was due. Subjects take turns, every
other round in reverse, and medians are printed.
"""
import statistics
import time

from suite import subjects
from suite.programs import OTHERS_SHARE_MAX, Bystanders, failures, loadgen, mock_upstream, prepare, say

BODY_BYTES = 250
CONNECTIONS = 64
OPEN_LOOP_RATE = 5000
# Free connections of the open loop: more than 5,000/s x 50 ms, so a stall of the proxy
# and not of the generator is what delays a call.
OPEN_LOOP_CONNECTIONS = 256

SUBJECTS = {
    "direct": subjects.direct,
    "nginx": subjects.nginx,
    "haproxy": subjects.haproxy,
    "gatehouse bare": subjects.gatehouse_bare,
    "gatehouse": subjects.gatehouse,
}


def measure(subject, mock, seconds):
    others = Bystanders(subject.program, mock)
    body = ["--body-bytes", BODY_BYTES]
    cpu, wall = subject.program.cpu_s() if subject.program else 0, time.monotonic()
    closed = loadgen(subject.url, *body, "--connections", CONNECTIONS, "--warmup", 1, "--duration", seconds,
                     headers=subject.headers)
    wall = time.monotonic() - wall
    cpu = subject.program.cpu_s() - cpu if subject.program else 0
    opened = loadgen(subject.url, *body, "--rate", OPEN_LOOP_RATE, "--connections", OPEN_LOOP_CONNECTIONS,
                     "--warmup", 0.5, "--duration", seconds, headers=subject.headers)
    return {
        "requests_per_s": closed["requests_per_s"],
        "core_share": cpu / wall,
        "closed_p50_us": closed["latency_us"]["p50"],
        "closed_p99_us": closed["latency_us"]["p99"],
        "p50_us": opened["latency_us"]["p50"],
        "p99_us": opened["latency_us"]["p99"],
        "rss_mb": subject.program.rss_mb() if subject.program else 0,
        "others_share": others.share(),
        "wrong": "; ".join(filter(None, [failures(closed), failures(opened)])),
    }


def print_row(name, rows, direct):
    middle = {key: statistics.median(row[key] for row in rows) for key in rows[0] if key != "wrong"}
    line = (f"{name:15} {middle['requests_per_s']:8.0f} requests/s   "
            f"at {OPEN_LOOP_RATE}/s p50 {middle['p50_us']:6.0f} us  p99 {middle['p99_us']:6.0f} us")
    if name != "direct":
        added = middle["p99_us"] - direct["p99_us"] if direct else 0
        cpu_us = 1e6 * middle["core_share"] / middle["requests_per_s"] if middle["requests_per_s"] else 0
        line += (f"  (p99 added {added:6.0f} us)   RSS {middle['rss_mb']:5.1f} MB"
                 f"   core {100 * middle['core_share']:3.0f} % busy, {cpu_us:4.1f} us CPU a request")
    say(line)
    wrong = sorted({row["wrong"] for row in rows if row["wrong"]})
    if wrong:
        say(f"{name:15} not all well: {' | '.join(wrong)}")
    return middle


def run(options):
    prepare()
    rows, missing = {}, {}
    for turn in range(options.rounds):
        names = list(SUBJECTS) if turn % 2 == 0 else list(reversed(SUBJECTS))
        for name in names:
            if name in missing:
                continue
            try:
                with mock_upstream() as mock, SUBJECTS[name](mock) as subject:
                    row = measure(subject, mock, options.seconds)
                    rows.setdefault(name, []).append(row)
                    say(f"round {turn + 1}: {name:15} {row['requests_per_s']:8.0f} requests/s   p99 {row['p99_us']:6.0f} us   "
                        f"others {100 * row['others_share']:3.0f} %")
            except (subjects.Missing, RuntimeError) as reason:
                missing[name] = reason
    others = max((row["others_share"] for some in rows.values() for row in some), default=0)
    if others > OTHERS_SHARE_MAX:
        say(f"not to be trusted: other programs took up to {100 * others:.0f} % of the machine meanwhile")
    middles = {}
    for name in SUBJECTS:
        if name in missing:
            say(f"{name:15} skipped: {missing[name]}")
        else:
            middles[name] = print_row(name, rows[name], middles.get("direct"))
    if "gatehouse" not in middles or "nginx" not in middles:
        say(f"gateway: skipped, {missing.get('gatehouse') or missing.get('nginx')}")
        return 1
    say(f"gateway: {middles['gatehouse']['requests_per_s'] / middles['nginx']['requests_per_s']:.2f} x nginx")
    return 0
