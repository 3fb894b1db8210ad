"""`gatehouse alertmanager` and Debian's alertmanager, driven alike; a webhook's receiving end;
and what posts alerts as Prometheus does.

    with Sink() as sink, Alertmanager("gatehouse", config(sink.url("/a"))) as program:
        program.post([alert({"alertname": "A"})])
        sink.wait(lambda all: len(all) == 1)
"""
import collections
import datetime
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("GATEHOUSE_BUILD", ROOT / "build" / "release"))
GATEHOUSE = str(BUILD / "gatehouse")
UNITS = BUILD / "test_alerts"  # the unit tests, some of which print what these compare
DEBIAN = shutil.which("prometheus-alertmanager")


def need_debian():
    if DEBIAN is None:
        print("skipped: Debian's prometheus-alertmanager is not installed", flush=True)
        raise unittest.SkipTest("Debian's prometheus-alertmanager is not installed")


def need_units():
    if not UNITS.exists():
        print("skipped: test_alerts is not built", flush=True)
        raise unittest.SkipTest("test_alerts is not built")


def rfc3339(seconds):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def alert(labels, starts=None, ends=None, **annotations):
    made = {"labels": labels, "annotations": annotations}
    if starts is not None:
        made["startsAt"] = rfc3339(starts)
    if ends is not None:
        made["endsAt"] = rfc3339(ends)
    return made


def wait_until(holds, seconds=15, what=""):
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {what or holds}")
        time.sleep(0.02)


Arrival = collections.namedtuple("Arrival", "at path body")


class Sink:
    """Keeps every webhook it is sent. `status` is what it answers, by path; a path in `hangs`
    gets no answer until the end."""

    def __init__(self):
        self.arrivals, self.status, self.hangs = [], {}, set()
        self.lock, self.ending = threading.Lock(), threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with outer.lock:
                    outer.arrivals.append(Arrival(time.monotonic(), self.path, json.loads(body)))
                if self.path in outer.hangs:
                    outer.ending.wait()
                self.send_response(outer.status.get(self.path, 200))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *words):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 512
            daemon_threads = True

            def handle_error(self, *words):
                pass  # a sender that was killed

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def at(self, path):
        with self.lock:
            return [each for each in self.arrivals if each.path == path]

    def wait(self, path, holds, seconds=15):
        wait_until(lambda: holds(self.at(path)), seconds, f"{path}: {len(self.at(path))} arrivals")

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.ending.set()
        self.server.shutdown()
        self.server.server_close()


class Alertmanager:
    """`kind` is "gatehouse" or "debian". Its folder and its port stay over a restart."""

    def __init__(self, kind, config, flags=()):
        self.kind, self.flags = kind, list(flags)
        self.folder = tempfile.TemporaryDirectory(prefix=f"gatehouse-alerts-{kind}-")
        self.place = pathlib.Path(self.folder.name)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.write(config)
        self.process = None
        self.start()

    def write(self, config):
        (self.place / "alertmanager.yml").write_text(json.dumps(config, indent=1))

    def start(self):
        program = [GATEHOUSE, "alertmanager"] if self.kind == "gatehouse" else [DEBIAN]
        self.log = open(self.place / "log", "ab")
        self.process = subprocess.Popen(
            [*program, f"--config.file={self.place}/alertmanager.yml", f"--storage.path={self.place}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=", *self.flags],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        try:
            wait_until(self.up, 15, f"{self.kind} is not up")
        except AssertionError:
            sys.stderr.write((self.place / "log").read_text()[-3000:])
            raise

    def up(self):
        try:
            return self.ask("GET", "/-/ready")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def ask(self, method, path, body=None, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = {"content-type": "application/json"} if body is not None else {}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def get(self, path):
        status, body = self.ask("GET", path)
        assert status == 200, (status, body[:300])
        return json.loads(body)

    def post(self, alerts):
        status, body = self.ask("POST", "/api/v2/alerts", alerts)
        assert status == 200, (status, body[:300])

    def silence(self, matchers, seconds):
        now = time.time()
        status, body = self.ask("POST", "/api/v2/silences", {
            "matchers": [{"name": name, "value": value, "isRegex": False, "isEqual": True}
                         for name, value in matchers.items()],
            "startsAt": rfc3339(now), "endsAt": rfc3339(now + seconds),
            "createdBy": "ada", "comment": "test"})
        assert status == 200, (status, body[:300])
        return json.loads(body)["silenceID"]

    def expire(self, silence):
        status, body = self.ask("DELETE", f"/api/v2/silence/{silence}")
        assert status == 200, (status, body[:300])

    def reload(self, config):
        self.write(config)
        status, body = self.ask("POST", "/-/reload")
        return status, body

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(30)
        self.log.close()

    def restart(self, how=signal.SIGTERM):
        self.end(how)
        self.start()

    def memory(self, name="VmHWM"):
        """In MiB; VmRSS is what it holds now."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) / 1024
        raise AssertionError(name)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        if self.process.poll() is None:
            self.end()
        if why[0] is not None:
            sys.stderr.write((self.place / "log").read_text()[-3000:])
        self.folder.cleanup()


class Rules(threading.Thread):
    """Says what fires again and again to all, and for a while what is over, as Prometheus."""

    def __init__(self, programs, every=1.0):
        super().__init__(daemon=True)
        self.programs, self.every = programs, every
        self.lock, self.ending = threading.Lock(), threading.Event()
        self.firing, self.over = {}, {}

    def fire(self, **labels):
        with self.lock:
            self.firing[tuple(sorted(labels.items()))] = time.time()
        self.say()

    def resolve(self, **labels):
        key = tuple(sorted(labels.items()))
        with self.lock:
            self.over[key] = (self.firing.pop(key), time.time())
        self.say()

    def say(self):
        now = time.time()
        with self.lock:
            said = [alert(dict(key), starts, now + 240) for key, starts in self.firing.items()]
            said += [alert(dict(key), *times) for key, times in self.over.items() if now - times[1] < 60]
        for program in self.programs:
            if not said:
                continue
            try:
                program.post(said)
            except (OSError, http.client.HTTPException):
                pass  # being restarted

    def run(self):
        while not self.ending.wait(self.every):
            self.say()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *why):
        self.ending.set()
        self.join()
