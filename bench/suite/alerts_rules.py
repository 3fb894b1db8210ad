"""10,000 rules over 100,000 series, evaluated every 15 s, beside Debian's prometheus.

Each server in turn gets the same samples by remote write, as they come due, first without
rules and then with them: what it takes more is what the rules cost. Half of the rules
record a rate over the ten series of one instance, half watch it and hardly ever fire. The
servers may use every core.

Lateness is how long after the moment it was due a rule had its result: from what the
server says of each rule (lastEvaluation + evaluationTime), less the time of the samples
that its group gave, which is when it was due. CPU is what /proc says of the server; what
asking it takes is left out.
"""
import contextlib
import datetime
import json
import os
import pathlib
import struct
import subprocess
import time
import urllib.parse

from suite import metric_subjects
from suite.metrics import anonymous_bytes, send_stream
from suite.programs import BUILD, Bystanders, say, work_directory

SERIES = 100_000
GROUPS, RULES_A_GROUP = 100, 100
INTERVAL_S = 15
# Rounds of 15 s: those that warm up, those without rules, those until every group has been
# evaluated, those that count.
WARM, PLAIN, SETTLE, COUNTED = 2, 3, 3, 6
KINDS = ["bench_rpc_{}_duration_seconds_bucket"] * 4 + ["bench_service_{}_requests_total"] * 2 + [
    "bench_service_{}_cpu_seconds_total", "bench_service_{}_memory_bytes", "bench_service_{}_queue_seconds", None]


def selector(number):
    """The ten series of one instance, as metric-stream names them."""
    metric = KINDS[number % 10]
    if number < 200:
        metric = "bench_request_duration_seconds_bucket"
    address = f"10.{number // 65536 % 256}.{number // 256 % 256}.{number % 256}:9090"
    name = "" if metric is None else metric.format(number % 1000 // 10 % 20)
    return f'{name}{{instance="{address}"}}'


def rule(number):
    at = selector(number)
    if number % 2 == 0:
        return {"record": "instance:bench:rate1m", "expr": f"sum by (instance, namespace) (rate({at}[1m]))"}
    return {"alert": f"Bench{number}", "expr": f"sum by (instance, namespace) (rate({at}[1m])) > 1e12", "for": "5m",
            "labels": {"severity": "page"}, "annotations": {"summary": "{{ $labels.instance }} is at {{ $value }}"}}


def rule_file():
    groups = []
    for group in range(GROUPS):
        first = {"record": "bench:group", "expr": "vector(1)", "labels": {"group": f"g{group}"}}
        rest = [rule(number) for number in range(group * RULES_A_GROUP + 1, (group + 1) * RULES_A_GROUP)]
        groups.append({"name": f"g{group}", "interval": f"{INTERVAL_S}s", "rules": [first, *rest]})
    return json.dumps({"groups": groups})


@contextlib.contextmanager
def gatehouse():
    def make(directory, port):
        rules = directory / "rules.yml"
        rules.write_text("groups: []")
        config = directory / "gatehouse.yaml"
        config.write_text(metric_subjects.GATEHOUSE_CONFIG.format(port=port, directory=directory) +
                          f"rules: {{files: [{rules}], ai: false}}\n")
        binary = os.environ.get("GATEHOUSE_BINARY", BUILD / "gatehouse")
        made = subprocess.run([binary, "key", "create", "--config", config, "--name", "bench", "--role", "admin"],
                              check=True, capture_output=True, text=True, cwd=directory)
        key = made.stdout.strip().splitlines()[-1].split()[-1]
        subject = metric_subjects.Gatehouse("gatehouse", [binary, "serve", "--config", config], port, directory,
                                            {"Authorization": f"Bearer {key}"})
        subject.reload = lambda: None  # it looks by itself
        return subject
    with metric_subjects.running(make) as subject:
        yield subject


@contextlib.contextmanager
def prometheus():
    def make(directory, port):
        (directory / "rules.yml").write_text("groups: []")
        config = directory / "prometheus.yml"
        config.write_text(json.dumps({"rule_files": [str(directory / "rules.yml")]}))
        subject = metric_subjects.Prometheus(
            "prometheus", ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory}/data",
                           f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver",
                           "--web.enable-lifecycle"], port, directory)
        subject.reload = lambda: subprocess.run(
            ["curl", "-sf", "-X", "POST", f"http://127.0.0.1:{port}/-/reload"], check=True)
        return subject
    with metric_subjects.running(make) as subject:
        yield subject


class Feed:
    """The samples of every 15 s, one file each, sent when they are due."""

    def __init__(self, directory, rounds):
        self.first = (int(time.time()) // INTERVAL_S + 5) * INTERVAL_S
        whole = directory / "stream"
        end = self.first + (rounds - 1) * INTERVAL_S
        subprocess.run([BUILD / "metric-stream", "make", whole, "--series", str(SERIES), "--samples", str(rounds),
                        "--interval", str(INTERVAL_S), "--end", str(end)], check=True)
        self.parts = self.split(whole, directory, rounds)
        whole.unlink()
        self.next = 0

    @staticmethod
    def split(whole, directory, rounds):
        frames, rest = [], memoryview(whole.read_bytes())
        while rest:
            size = struct.unpack_from("<II", rest)[1] + 8
            frames.append(rest[:size])
            rest = rest[size:]
        each = len(frames) // rounds
        assert each * rounds == len(frames), "a round is no whole number of requests"
        parts = []
        for i in range(rounds):
            part = directory / f"part{i}"
            part.write_bytes(b"".join(frames[i * each:(i + 1) * each]))
            parts.append(part)
        return parts

    def play(self, subject, rounds, after_each=lambda: None):
        for _ in range(rounds):
            due = self.first + self.next * INTERVAL_S
            time.sleep(max(0, due - time.time()))
            send_stream(self.parts[self.next], subject)
            self.next += 1
            after_each()


def asked(subject, path):
    return json.loads(subject.ask("/api/v1/" + path))["data"]


def seconds_of(text):
    """RFC 3339 with up to nanoseconds."""
    text = text.replace("Z", "+00:00")
    whole, _, rest = text.partition(".")
    digits = rest[:len(rest) - 6] if rest else "0"
    zone = rest[-6:] if rest else whole[-6:]
    whole = whole if rest else whole[:-6]
    return datetime.datetime.fromisoformat(whole + zone).timestamp() + float("0." + digits)


def latenesses(subject):
    """Of every rule, in its last evaluation."""
    query = urllib.parse.urlencode({"query": "timestamp(bench:group)"})
    due = {row["metric"]["group"]: float(row["value"][1]) for row in asked(subject, f"query?{query}")["result"]}
    found = []
    for group in asked(subject, "rules")["groups"]:
        for each in group["rules"]:
            if each["health"] != "ok":
                raise RuntimeError(f"{subject.name}: {each['name']} is {each['health']}: {each.get('lastError')}")
            late = seconds_of(each["lastEvaluation"]) + each["evaluationTime"] - due[group["name"]]
            # Evaluated since the samples were asked for, or not yet when the rules were; that no
            # evaluation is later than an interval is for missed() to say.
            found.append(late % INTERVAL_S)
    return found


def missed(subject):
    """Evaluations left out since the start."""
    lines = subject.ask("/metrics").decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines
               if line.startswith("prometheus_rule_group_iterations_missed_total{"))


class CpuMeter:
    """The server's CPU but what was spent on being asked."""

    def __init__(self, subject):
        self.program, self.left_out, self.late = subject.program, 0, []
        self.begin, self.begun = self.program.cpu_s(), time.monotonic()
        self.subject = subject

    def ask_lateness(self):
        before = self.program.cpu_s()
        self.late += latenesses(self.subject)
        self.left_out += self.program.cpu_s() - before

    def share(self):
        return (self.program.cpu_s() - self.begin - self.left_out) / (time.monotonic() - self.begun)


def measure_one(make):
    row = {}
    with make() as subject, work_directory() as directory:
        feed = Feed(directory, WARM + PLAIN + SETTLE + COUNTED)
        feed.play(subject, WARM)
        plain = CpuMeter(subject)
        feed.play(subject, PLAIN)
        row["plain"] = plain.share()
        fresh = subject.directory / "rules.new"
        fresh.write_text(rule_file())
        fresh.replace(subject.directory / "rules.yml")
        subject.reload()
        feed.play(subject, SETTLE)
        others = Bystanders(subject.program)
        meter = CpuMeter(subject)
        feed.play(subject, COUNTED, meter.ask_lateness)
        row["share"] = meter.share()
        row["p99_ms"] = 1000 * sorted(meter.late)[len(meter.late) * 99 // 100]
        row["p50_ms"] = 1000 * sorted(meter.late)[len(meter.late) // 2]
        row["rules"] = len(meter.late) // COUNTED
        row["memory_mb"] = anonymous_bytes(subject.program) / 1e6
        row["missed"] = missed(subject)
        query = urllib.parse.urlencode({"query": "count(instance:bench:rate1m)"})
        row["recorded"] = float(asked(subject, f"query?{query}")["result"][0]["value"][1])
        others.warn()
    say(f"{subject.name:11} {row['rules']} rules over {SERIES} series: {100 * row['share']:.1f} % of a core, "
        f"{100 * (row['share'] - row['plain']):.1f} % for the rules; lateness p50 {row['p50_ms']:.0f} ms, "
        f"p99 {row['p99_ms']:.0f} ms, {row['missed']:.0f} evaluations missed; {row['memory_mb']:.0f} MB")
    return row


def measure(_options):
    """Ours to Prometheus's: the CPU that rules cost."""
    metric_subjects.prepare()
    theirs, ours = measure_one(prometheus), measure_one(gatehouse)
    if theirs["recorded"] != ours["recorded"]:
        raise RuntimeError(f"other series were recorded: {theirs['recorded']} and {ours['recorded']}")
    say(f"rules: cpu {ours['share'] / theirs['share']:.2f}, p99 lateness {ours['p99_ms'] / theirs['p99_ms']:.2f}, "
        f"memory {ours['memory_mb'] / theirs['memory_mb']:.2f}")
    return (ours["share"] - ours["plain"]) / (theirs["share"] - theirs["plain"])
