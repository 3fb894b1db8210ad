"""10,000 clients leave at random moments: how long until their upstream call is closed?

The mock waits, fails now and then (so that some clients leave during a retry's
backoff), and streams slowly; each client leaves within 300 ms of its call. Client and
mock note the moments on the same clock. A call that never reached the upstream has
nothing to close; one that is still open at the end counts as never closed. Straight to
the mock shows what of the delay is the measurement's own.
"""
import time

from suite import subjects
from suite.programs import Bystanders, get_json, loadgen, mock_upstream, prepare, say, work_directory

DEPARTURES = 10000
LEAVE_AFTER_MS_MAX = 300
CONNECTIONS = 64
BEHAVIOR = {"latency_p50_ms": 40, "latency_p99_ms": 300, "fail_ratio": 0.1, "fail_status": 503, "ttft_ms": 30,
            "token_ms": 20, "tokens": 40}
BODY = ('{"model":"gpt-4o-mini","stream":%s,"mock":{"id":"{{id}}"},'
        '"messages":[{"role":"user","content":"Tell me of the gate."}]}')
SUBJECTS = {"direct": (subjects.direct, 2000), "nginx": (subjects.nginx, 2000), "gatehouse": (subjects.gatehouse, DEPARTURES)}


def leave(subject, count, stream, seed):
    """Lets `count` clients leave; returns {id: moment}."""
    moments = {}
    with work_directory() as directory:
        path = directory / "departures"
        # Calls that end before their client leaves do not count; ask until enough have left.
        while len(moments) < count:
            seed += 1
            loadgen(subject.url, "--requests", count - len(moments), "--connections", CONNECTIONS,
                    "--leave-after-ms-max", LEAVE_AFTER_MS_MAX, "--departures", path, "--seed", seed,
                    "--id-prefix", f"d{seed}", "--body-text", BODY % ("true" if stream else "false"),
                    headers=subject.headers)
            for line in path.read_text().splitlines():
                call, moment = line.split()
                moments[call] = int(moment)
    return moments


def measure(make, count):
    with mock_upstream() as mock, make(mock) as subject:
        get_json(f"{mock.url}/mock/behavior", BEHAVIOR)
        others = Bystanders(subject.program, mock)
        moments = leave(subject, count // 2, True, 100) | leave(subject, count - count // 2, False, 1000000)
        others.warn()
        time.sleep(2)
        calls = get_json(f"{mock.url}/mock/calls")
        in_flight = get_json(f"{mock.url}/mock/stats")["in_flight"]
    delays, never_reached, never_closed = [], 0, 0
    for call, moment in moments.items():
        if call not in calls:
            never_reached += 1
        elif calls[call]["ended_ns"] == 0:
            never_closed += 1
        else:
            delays.append(max(0, calls[call]["ended_ns"] - moment) / 1e6)
    delays.sort()
    return len(moments), delays, never_reached, never_closed, in_flight


def run(options):
    prepare()
    for name, (make, count) in SUBJECTS.items():
        try:
            left, delays, never_reached, never_closed, in_flight = measure(make, count)
        except (subjects.Missing, RuntimeError) as reason:
            say(f"{name:15} skipped: {reason}")
            if name == "gatehouse":
                say(f"departures: skipped, {reason}")
                return 1
            continue
        if not delays:
            say(f"{name:15} no call reached the upstream")
            return 1
        p50, p99 = delays[len(delays) // 2], delays[min(len(delays) - 1, len(delays) * 99 // 100)]
        say(f"{name:15} {left} left, {never_reached} before the upstream was called, {never_closed} never closed, "
            f"{in_flight} still in flight; closed after p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {delays[-1]:.2f} ms")
    say(f"departures: {left} left, max {delays[-1]:.1f} ms")
    return 0 if never_closed == 0 and delays[-1] <= 50 else 1
