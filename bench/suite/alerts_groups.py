"""50,000 active alerts through `gatehouse alertmanager` and Debian's alertmanager: from the
first post until the API shows all of them in their groups and webhooks have told of all, and
what memory each needs for it.

The programs run one at a time, in alternating order, on one core; posting and the webhook's
receiving end are on the other. Alerts look like kube-prometheus's: a dozen labels, three
annotations.
"""
import http.client
import http.server
import json
import pathlib
import shutil
import statistics
import sys
import threading
import time

from suite.programs import BUILD, PROXY_CORE, Program, free_port, say, work_directory

ALERTS, GROUPS, BATCH = 50_000, 500, 1_000
ROUNDS = 3
# Prometheus says it again; twice more while memory is watched.
RESENDS = 2


def bodies():
    starts = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    made = []
    for first in range(0, ALERTS, BATCH):
        made.append(json.dumps([{
            "labels": {"alertname": f"KubePodCrashLooping{n % 20}", "cluster": "eu-west-1", "container": "app",
                       "endpoint": "https-metrics", "instance": f"10.1.{n // 250 % 250}.{n % 250}:8443",
                       "job": "kube-state-metrics", "namespace": f"team-{n % GROUPS}", "pod": f"app-{n:05}-x7k2p",
                       "prometheus": "monitoring/k8s", "service": "kube-state-metrics", "severity": "warning",
                       "uid": f"{n:08x}-1111-2222-3333-444455556666"},
            "annotations": {"summary": "Pod is crash looping.",
                            "description": f"Pod team-{n % GROUPS}/app-{n:05}-x7k2p (app) is in waiting state "
                                           "(reason: CrashLoopBackOff).",
                            "runbook_url": "https://runbooks.prometheus-operator.dev/runbooks/kubepodcrashlooping"},
            "startsAt": starts,
            "generatorURL": "http://prometheus:9090/graph?g0.expr=max_over_time&g0.tab=1",
        } for n in range(first, first + BATCH)]).encode())
    return made


class Sink(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Receiver)
        self.told, self.lock = 0, threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *words):
        pass  # a connection that its program kept and closed at its end


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.server.lock:
            self.server.told += body.count(b'"fingerprint"')
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *words):
        pass


def grouped(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/api/v2/alerts/groups")
    text = connection.getresponse().read()
    connection.close()
    return text.count(b'"fingerprint"')


def one_round(kind, posts):
    """(seconds until all are grouped and told, seconds of processor, MiB at the peak, MiB after)."""
    sink = Sink()
    config = {"route": {"receiver": "hook", "group_by": ["namespace"], "group_wait": "1s", "group_interval": "5s",
                        "repeat_interval": "4h"},
              "receivers": [{"name": "hook", "webhook_configs": [
                  {"url": f"http://127.0.0.1:{sink.server_port}/"}]}]}
    port = free_port()
    with work_directory() as directory:
        (directory / "alertmanager.yml").write_text(json.dumps(config))
        command = [BUILD / "gatehouse", "alertmanager"] if kind == "gatehouse" else ["prometheus-alertmanager"]
        program = Program([*command, "--config.file=alertmanager.yml", "--storage.path=data",
                           f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
                          PROXY_CORE, directory)
        try:
            program.wait_for_port(port)
            begin = time.monotonic()
            post(port, posts)
            while sink.told < ALERTS:
                if time.monotonic() - begin > 120:
                    sys.exit(f"bench: {kind} told of {sink.told} of {ALERTS} alerts")
                time.sleep(0.02)
            while grouped(port) < ALERTS:
                time.sleep(0.1)
            seconds = time.monotonic() - begin
            for _ in range(RESENDS):
                post(port, posts)
            cpu = program.cpu_s()
            peak = status_mib(program, "VmHWM")
            return seconds, cpu, peak, status_mib(program, "VmRSS")
        finally:
            program.stop()
            sink.shutdown()
            sink.server_close()


def post(port, posts):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body in posts:
        connection.request("POST", "/api/v2/alerts", body, {"content-type": "application/json"})
        reply = connection.getresponse()
        text = reply.read()
        if reply.status != 200:
            sys.exit(f"bench: alerts were refused: {reply.status} {text[:200]}")
    connection.close()


def status_mib(program, name):
    for line in pathlib.Path(f"/proc/{program.process.pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(_options):
    """Prints both programs' figures; the greater of our ratios of memory and of time."""
    if shutil.which("prometheus-alertmanager") is None:
        sys.exit("bench: Debian's prometheus-alertmanager is not installed")
    posts = bodies()
    figures = {"gatehouse": [], "alertmanager": []}
    for turn in range(ROUNDS):
        order = list(figures) if turn % 2 == 0 else list(figures)[::-1]
        for kind in order:
            figures[kind].append(one_round(kind, posts))
    say(f"{ALERTS} alerts in {GROUPS} groups, medians of {ROUNDS} runs:")
    medians = {}
    for kind, rows in figures.items():
        medians[kind] = [statistics.median(column) for column in zip(*rows)]
        seconds, cpu, peak, after = medians[kind]
        say(f"  {kind:13} grouped and told in {seconds:6.2f} s · {cpu:6.2f} s of processor "
            f"with {RESENDS} repeats · {peak:4.0f} MiB at the peak, {after:4.0f} MiB after")
    ratios = [ours / theirs for ours, theirs in zip(medians["gatehouse"], medians["alertmanager"])]
    say(f"  ratio         time {ratios[0]:.2f} · processor {ratios[1]:.2f} · peak {ratios[2]:.2f} · "
        f"after {ratios[3]:.2f}")
    return max(ratios[0], ratios[2])
