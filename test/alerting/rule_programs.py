"""Gatehouse with rule files, a Prometheus of Debian's with the same, and Alertmanagers."""
import http.server
import json
import pathlib
import shutil
import socket
import tempfile
import threading
import urllib.request

from programs import DebianProgram, MetricCase, MetricGate, Prometheus, free_port, need, now_ms, wait_until
from remote_write import series

ALERTMANAGER = shutil.which("prometheus-alertmanager")
__all__ = ["MetricCase", "Prometheus", "now_ms", "series", "wait_until"]


def group(name, *rules, interval="1s", **more):
    return {"name": name, "interval": interval, "rules": list(rules), **more}


class RuleGate(MetricGate):
    """`rules` becomes a rule file; whatever else as for a MetricGate."""

    def __init__(self, rules, directory=None, config=None, **more):
        self.place = tempfile.TemporaryDirectory(prefix="gatehouse-rules-")
        self.rules_path = pathlib.Path(self.place.name) / "rules.yml"
        self.write_rules(rules)
        section = {"files": [str(self.rules_path)], "ai": False}
        super().__init__(config={"rules": section, **(config or {})}, directory=directory, **more)

    def write_rules(self, rules):
        text = rules if isinstance(rules, str) else json.dumps(rules, indent=1)
        fresh = self.rules_path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.rules_path)

    def rule(self, name):
        for each in self.data("rules")["groups"]:
            for rule in each["rules"]:
                if rule["name"] == name:
                    return rule
        return None

    def alerts(self):
        return self.data("alerts")["alerts"]


class Alertmanager(DebianProgram):
    def __init__(self):
        need(ALERTMANAGER, "prometheus-alertmanager")
        self.port = free_port()
        folder = tempfile.TemporaryDirectory(prefix="gatehouse-alertmanager-")
        (pathlib.Path(folder.name) / "am.yml").write_text(json.dumps({"route": {"receiver": "none"},
                                                                     "receivers": [{"name": "none"}]}))
        super().__init__([ALERTMANAGER, "--config.file=am.yml", "--storage.path=data", "--cluster.listen-address=",
                          f"--web.listen-address=127.0.0.1:{self.port}"], "/-/ready", folder)

    def alerts(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v2/alerts", timeout=10) as reply:
            return json.load(reply)


class FakeAlertmanager:
    """Takes every alert it is sent, down as `received`; `status` is what it answers, or None to say nothing."""

    def __init__(self, status=200):
        self.status, self.received, self.batches = status, [], []
        self.ending = threading.Event()
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                fake.batches.append((self.path, dict(self.headers), len(body)))
                if fake.status is None:
                    fake.ending.wait(60)
                    return
                if fake.status == 200:
                    fake.received += body
                self.send_response(fake.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.ending.set()
        self.server.shutdown()
        self.server.server_close()


def alerting(*ports, **more):
    """`alerting` of a prometheus.yml."""
    targets = [f"127.0.0.1:{port}" for port in ports]
    return {"alertmanagers": [{"static_configs": [{"targets": targets}], **more}]}


def nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
