"""Gatehouse with keys for metrics, Debian's programs beside it, and targets to scrape.

    gate = MetricGate(prometheus={"scrape_configs": [...]})
    gate.push([series({"__name__": "a"}, [(now_ms(), 1)])])
    gate.data("query", query="a")              what the API gives under "data"

gate.py (test/e2e) starts and ends the processes. A server of Prometheus's API, whichever,
is asked through `ask` and `data`.
"""
import contextlib
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse

import gate as e2e
import remote_write

PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
NODE_EXPORTER = shutil.which("prometheus-node-exporter")
METRIC_STREAM = e2e.BUILD / "metric-stream"
CORPORA = pathlib.Path(os.environ.get("GATEHOUSE_CORPORA", e2e.ROOT / ".." / "shared" / "corpora"))
ROLES = {"reader": "viewer", "pusher": "caller", "admin": "admin"}
QUIET = {"host": {"enabled": False, "containers": False, "gpus": False}, "self": {"enabled": False}}
wait_until = e2e.wait_until


def now_ms():
    return time.time_ns() // 1_000_000


def skip(reason):
    """Ends the test, with the line that a whole run counts."""
    print(f"skipped: {reason}", flush=True)
    raise unittest.SkipTest(reason)


def need(program, name):
    if program is None:
        skip(f"Debian's {name} is not installed")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def as_form(parameters):
    pairs = []
    for name, value in parameters.items():
        name = "match[]" if name == "match" else name
        pairs += [(name, each) for each in (value if isinstance(value, list) else [value])]
    return urllib.parse.urlencode(pairs)


class PrometheusApi:
    """What has `port` and `credentials()`."""

    def credentials(self):
        return {}

    def ask(self, what, method="GET", headers=None, parameters=None, **more):
        path = what if what.startswith("/") else f"/api/v1/{what}"
        headers = {**self.credentials(), **(headers or {})}
        form = as_form({**(parameters or {}), **more})
        if method == "GET":
            return e2e.exchange(self.port, "GET", f"{path}?{form}" if form else path, None, headers, 60)
        headers.setdefault("content-type", "application/x-www-form-urlencoded")
        return e2e.exchange(self.port, method, path, form, headers, 60)

    def data(self, what, **parameters):
        reply = self.ask(what, **parameters)
        assert reply.status == 200, reply
        return reply.json["data"]

    def value(self, query, **parameters):
        """Of a query that gives one sample; None where it gives none."""
        found = self.data("query", query=query, **parameters)["result"]
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    def targets(self):
        return self.data("targets", state="active")["activeTargets"]


class MetricGate(PrometheusApi, e2e.Gate):
    """`gatehouse serve` for metrics alone. `metrics` is on top of a configuration that collects
    nothing and has no rules; `prometheus` becomes a prometheus.yml."""

    def __init__(self, metrics=None, prometheus=None, config=None, directory=None, env=None):
        self.own_folder = tempfile.TemporaryDirectory(prefix="gatehouse-metrics-") if directory is None else None
        place = pathlib.Path(directory or self.own_folder.name)
        self.prometheus_path = place / "prometheus.yml"
        section = {**QUIET, **(metrics or {})}
        if prometheus is not None:
            self.write_prometheus(prometheus)
            section["prometheus_config"] = str(self.prometheus_path)
        super().__init__(None, {"metrics": section, "rules": {"ai": False}, **(config or {})}, directory=place, env=env,
                         keys={name: ["--role", role] for name, role in ROLES.items()})

    def write_prometheus(self, content):
        text = content if isinstance(content, str) else json.dumps(content, indent=1)
        fresh = self.prometheus_path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.prometheus_path)

    def credentials(self):
        return {"authorization": f"Bearer {self.keys['reader']}"}

    def push_bytes(self, body, key="pusher", path="/api/v1/write", timeout=60, **headers):
        return self.post(path, body, key, timeout, **{**remote_write.HEADERS, **headers})

    def push(self, all_series):
        reply = self.push_bytes(remote_write.snappy(remote_write.request(all_series)))
        assert reply.status == 204, reply
        return reply

    def reset_peak(self):
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def close(self):
        status = super().close()
        if self.own_folder is not None:
            self.own_folder.cleanup()
        return status


class DebianProgram(e2e.Program):
    """One that says nothing on stdout: it is up when its port answers `path`."""

    def __init__(self, command, path, folder=None):
        self.folder = folder or tempfile.TemporaryDirectory(prefix="gatehouse-peer-")
        super().__init__(command, self.folder.name)
        if not wait_until(lambda: not self.alive or self.answers(path), e2e.STARTS_WITHIN_S) or not self.alive:
            raise RuntimeError(f"{command[0]} did not start: {self.log_text()[-2000:]}")

    def answers(self, path):
        try:
            return e2e.exchange(self.port, "GET", path, timeout=5).status == 200
        except OSError:
            return False

    def close(self):
        self.stop()
        self.folder.cleanup()


class Prometheus(PrometheusApi, DebianProgram):
    def __init__(self, config=None, *flags):
        need(PROMETHEUS, "prometheus")
        self.port = free_port()
        folder = tempfile.TemporaryDirectory(prefix="gatehouse-prometheus-")
        (pathlib.Path(folder.name) / "prometheus.yml").write_text(json.dumps(config or {}))
        super().__init__([PROMETHEUS, "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                          f"--web.listen-address=127.0.0.1:{self.port}", "--web.enable-remote-write-receiver",
                          *flags], "/-/ready", folder)


class NodeExporter(DebianProgram):
    def __init__(self, *flags):
        need(NODE_EXPORTER, "prometheus-node-exporter")
        self.port = free_port()
        super().__init__([NODE_EXPORTER, f"--web.listen-address=127.0.0.1:{self.port}", *flags], "/")


class Target:
    """An exporter of our own: `page` is its text, or a function that writes the reply."""

    def __init__(self, page):
        self.page, self.requests, self.peers = page, [], set()
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                target.peers.add(self.connection)

            def finish(self):
                target.peers.discard(self.connection)
                with contextlib.suppress(OSError):
                    super().finish()

            def do_GET(self):
                target.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                try:
                    if callable(target.page):
                        return target.page(self)
                    body = target.page.encode()
                    self.send_response(200)
                    self.send_header("content-type", "text/plain; version=0.0.4")
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # the scraper has left

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        """Also the connections that are kept alive, as when the process ends."""
        self.server.shutdown()
        self.server.server_close()
        for peer in list(self.peers):
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)


def run_tool(*command, timeout=60):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=timeout, check=False)


def send_stream(path, server, header=""):
    """metric-stream's file to a server's receiver; an error where one request was refused."""
    words = [METRIC_STREAM, "send", path, "--port", server.port, "--path", "/api/v1/write"]
    done = run_tool(*words, *(["--header", header] if header else []))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class MetricCase(unittest.TestCase):
    def started(self, program):
        self.addCleanup(program.close)
        return program

    def assert_refused(self, reply, status, error_type):
        self.assertEqual(reply.status, status, reply)
        self.assertEqual((reply.json["status"], reply.json["errorType"]), ("error", error_type), reply)
        self.assertTrue(reply.json["error"], reply)
