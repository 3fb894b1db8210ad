"""Samples in, memory, disk, restart and queries beside Debian's prometheus and victoria-metrics.

Two streams of remote-write requests, made once and sent to each subject in turn:
`wide` is 200,000 series x 40 samples, `long` is 20,000 series x 8 h at 15 s, both
ending now. The server may use every core; the sender runs beside it. CPU is what
/proc says of the server until it has been quiet for a while, memory its anonymous
pages, disk what a sample takes in finished blocks, restart the time from exec to the
first right answer after kill -9. VictoriaMetrics' cache of query results is passed by
(nocache=1), as it would answer a repeated query without evaluating it.
"""
import contextlib
import json
import os
import pathlib
import signal
import statistics
import subprocess
import time
import urllib.parse
import urllib.request

from suite import metric_subjects
from suite.programs import BUILD, Bystanders, machine, say, work_directory

WIDE = {"series": 200_000, "samples": 40, "interval": 15, "together": 1}
LONG = {"series": 20_000, "samples": 8 * 240, "interval": 15, "together": 20}
QUERY_ROUNDS = 9
RESTART_ROUNDS = 3
QUIET_SECONDS = 12

BUCKETS = "bench_request_duration_seconds_bucket"
# (name, path, parameters); times are seconds before the stream's end. No window ends on
# a sample, so that the peers' closed and our left-open windows hold the same samples.
EDGE = 67
QUERIES = [
    ("histogram_quantile, instant", "query", {"query": f"histogram_quantile(0.99, sum by (le) (rate({BUCKETS}[5m])))", "time": EDGE}),
    ("histogram_quantile, 1 h", "query_range", {"query": f"histogram_quantile(0.99, sum by (le, namespace) (rate({BUCKETS}[5m])))", "start": 3600 + EDGE, "end": EDGE, "step": 15}),
    ("sum by (rate), 8 h", "query_range", {"query": "sum by (namespace) (rate({__name__=~\"bench_service_.+_requests_total\"}[5m]))", "start": 8 * 3600 - 400, "end": EDGE, "step": 60}),
    ("count by name, 20,000", "query", {"query": "count by (__name__) ({__name__=~\"bench_.+\"})", "time": EDGE}),
    ("topk of rates", "query", {"query": "topk(10, rate({__name__=~\"bench_service_.+_cpu_seconds_total\"}[5m]))", "time": EDGE}),
    ("max_over_time 8 h", "query", {"query": "max_over_time({__name__=~\"bench_service_.+_memory_bytes\"}[8h])", "time": EDGE}),
    ("subquery", "query", {"query": f"max_over_time(sum(rate({BUCKETS}[5m]))[1h:1m])", "time": EDGE}),
    ("label values", "label/pod/values", {"start": 3600, "end": 0}),
    ("series", "series", {"match[]": BUCKETS, "start": 3600, "end": 0}),
]


def make_stream(directory, name, shape, end):
    path = directory / name
    subprocess.run([BUILD / "metric-stream", "make", path, "--series", str(shape["series"]), "--samples", str(shape["samples"]),
                    "--interval", str(shape["interval"]), "--together", str(shape["together"]), "--end", str(end)], check=True)
    return path


def send_stream(path, subject):
    command = [BUILD / "metric-stream", "send", path, "--port", str(subject.port), "--path", "/api/v1/write"]
    for name, value in subject.headers.items():
        command += ["--header", f"{name}: {value}"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def ask(subject, path, parameters, end):
    shown = dict(parameters)
    for name in ("time", "start", "end"):
        if name in shown:
            shown[name] = end - shown[name]
    query = urllib.parse.urlencode({**shown, **subject.query_parameters})
    request = urllib.request.Request(f"http://127.0.0.1:{subject.port}/api/v1/{path}?{query}", headers=subject.headers)
    with urllib.request.urlopen(request, timeout=120) as reply:
        return json.load(reply)["data"]


def numbers(data):
    """The values of an answer, in a form that does not depend on order."""
    if isinstance(data, list):
        return len(data)
    rows = []
    for each in data["result"]:
        points = each.get("values") or [each["value"]]
        rows.append((tuple(sorted(each["metric"].items())), [float(value) for _, value in points]))
    return sorted(rows)


def same(one, other):
    if isinstance(one, int) or isinstance(other, int):
        return one == other
    if [row[0] for row in one] != [row[0] for row in other]:
        return False
    return all(len(a) == len(b) and all(x == y or abs(x - y) <= 1e-9 * max(abs(x), abs(y)) for x, y in zip(a, b))
               for (_, a), (_, b) in zip(one, other))


def wait_until_quiet(program):
    """Until the server has used next to no CPU for a while, background work included."""
    quiet_since, last = time.monotonic(), program.cpu_s()
    end = time.monotonic() + 180
    while time.monotonic() - quiet_since < QUIET_SECONDS and time.monotonic() < end:
        time.sleep(1)
        now = program.cpu_s()
        if now - last > 0.05:
            quiet_since = time.monotonic()
        last = now


def anonymous_bytes(program):
    for line in pathlib.Path(f"/proc/{program.server_pid()}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no RssAnon in /proc")


def count_series(subject, end):
    rows = ask(subject, "query", {"query": "count({__name__=~\"bench_.+\"})", "time": EDGE}, end)["result"]
    return int(float(rows[0]["value"][1])) if rows else 0


def measure_wide(make, stream, end, row):
    with make() as subject:
        before_s = subject.program.cpu_s()
        others = Bystanders(subject.program)
        sent = send_stream(stream, subject)
        row["send_s"] = sent["seconds"]
        others.warn()
        wait_until_quiet(subject.program)
        samples = WIDE["series"] * WIDE["samples"]
        row["cpu_us"] = 1e6 * (subject.program.cpu_s() - before_s) / samples
        row["memory_b"] = anonymous_bytes(subject.program) / WIDE["series"]
        row["restart_s"] = statistics.median(restart(subject, end) for _ in range(RESTART_ROUNDS))


def restart(subject, end):
    os.kill(subject.program.server_pid(), signal.SIGKILL)
    subject.program.process.wait()
    begin = time.monotonic()
    subject.start_again()
    give_up = begin + 120
    while time.monotonic() < give_up:
        with contextlib.suppress(OSError, KeyError, ValueError, RuntimeError):
            if count_series(subject, end) == WIDE["series"]:
                return time.monotonic() - begin
        time.sleep(0.005)
    raise RuntimeError(f"{subject.name} did not answer right within two minutes of kill -9")


def measure_long(make, stream, end, row):
    with make() as subject:
        send_stream(stream, subject)
        wait_until_quiet(subject.program)
        row["answers"], row["query_ms"] = {}, {}
        for name, path, parameters in QUERIES:
            row["answers"][name] = numbers(ask(subject, path, parameters, end))
            times = []
            for _ in range(QUERY_ROUNDS):
                begin = time.monotonic()
                ask(subject, path, parameters, end)
                times.append(1000 * (time.monotonic() - begin))
            row["query_ms"][name] = statistics.median(times)
        row["disk_b"] = subject.disk_bytes_a_sample(LONG["series"] * LONG["samples"])


def run(options):
    metric_subjects.prepare()
    say(f"machine: {machine()}")
    rows = {}
    with work_directory() as directory:
        end = int(time.time()) // 15 * 15
        streams = {"wide": make_stream(directory, "wide", WIDE, end), "long": make_stream(directory, "long", LONG, end)}
        for name, make in metric_subjects.SUBJECTS.items():
            row = rows[name] = {}
            measure_wide(make, streams["wide"], end, row)
            measure_long(make, streams["long"], end, row)
            say(f"{name:18} cpu {row['cpu_us']:6.3f} us/sample   memory {row['memory_b']:6.0f} B/series   "
                f"disk {row['disk_b']:5.3f} B/sample   restart {row['restart_s']:6.3f} s   (sent in {row['send_s']:.1f} s)")
    return report(rows)


def report(rows):
    ours = rows["gatehouse"]
    peers = {name: row for name, row in rows.items() if name != "gatehouse"}
    slowest = 0.0
    for name, _, _ in QUERIES:
        best = min(row["query_ms"][name] for row in peers.values())
        ratio = ours["query_ms"][name] / best
        slowest = max(slowest, ratio)
        agrees = ", ".join(peer for peer, row in peers.items() if not same(ours["answers"][name], row["answers"][name]))
        shown = "   ".join(f"{subject} {row['query_ms'][name]:8.1f} ms" for subject, row in rows.items())
        say(f"{name:28} {shown}   {ratio:5.2f} x the better" + (f"   other answer than {agrees}" if agrees else ""))

    def ratio(key):
        return ours[key] / min(row[key] for row in peers.values())
    say(f"metrics: cpu {ratio('cpu_us'):.2f} memory {ratio('memory_b'):.2f} disk {ratio('disk_b'):.2f} "
        f"restart {ratio('restart_s'):.2f} slowest-query {slowest:.2f}")
    return 0
