"""The programs of the end-to-end tests: Gatehouse and the mock upstream, on ports
that the kernel chooses, in a directory of their own, ended by their own ids.

    mock = Mock()
    gate = Gate(mock)                    # one upstream, one model, one key
    reply = gate.post("/v1/chat/completions", CHAT)
    reply.status, reply.headers, reply.json, reply.whole

`whole` is False when the reply did not end as HTTP says a reply ends: what a client
must take for a failure.
"""
import contextlib
import http.client
import json
import os
import pathlib
import queue
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHAT = {"model": "gpt", "messages": [{"role": "user", "content": "hi"}]}
CHAT_PATH = "/v1/chat/completions"
STARTS_WITHIN_S = 20


def build_folder():
    if named := os.environ.get("GATEHOUSE_BUILD"):
        return pathlib.Path(named).resolve()
    return next((ROOT / "build" / preset for preset in ("release", "debug")
                 if (ROOT / "build" / preset / "gatehouse").exists()), ROOT / "build" / "release")


BUILD = build_folder()


def wait_until(condition, seconds=10, every=0.02):
    """The first true value of `condition`, or what it is worth when time is up."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(every)


class Reply:
    """A reply as it came, whole or not."""

    def __init__(self, status, headers, body, whole):
        self.status, self.headers, self.body, self.whole = status, headers, body, whole

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """OpenAI's and Anthropic's error object."""
        return self.json["error"]

    @property
    def request_id(self):
        return self.headers["x-gatehouse-request-id"]

    @property
    def events(self):
        """(event, data) of each server-sent event."""
        found = []
        for block in self.body.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "data" in fields:
                found.append((fields.get("event"), fields["data"]))
        return found

    def __repr__(self):
        return f"<{self.status}, {'whole' if self.whole else 'cut'}: {self.body[:300]!r}>"


def exchange(port, method, path, body=None, headers=None, timeout=30, tls=None):
    """One call on a connection of its own."""
    if tls is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=tls)
    try:
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        parts, whole = [], True
        try:
            while part := reply.read1(65536):
                parts.append(part)
            # With a length, read1 ends at the connection's end without a word.
            whole = not reply.length
        except (http.client.HTTPException, OSError, ValueError):
            whole = False
        return Reply(reply.status, reply.headers, b"".join(parts), whole)
    finally:
        connection.close()


class Program:
    """A child process in a directory of its own; what it says on stdout is read line by line."""

    def __init__(self, command, directory, env=None, preexec=None):
        self.directory = pathlib.Path(directory)
        self.log_path = self.directory / f"{pathlib.Path(command[0]).name}.log"
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen([*map(str, command)], cwd=directory, stdout=subprocess.PIPE, stderr=self.log,
                                        text=True, env={**os.environ, **(env or {})}, preexec_fn=preexec)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, args=(self.process.stdout, self.lines), daemon=True).start()

    @staticmethod
    def _read(stream, lines):
        with stream:
            for line in stream:
                lines.put(line)
        lines.put("")

    def line_with(self, words):
        end = time.monotonic() + STARTS_WITHIN_S
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                line = self.lines.get(timeout=left)
                if words in line:
                    return line
                if line == "":
                    break
        state = "still runs" if self.alive else f"ended with {self.process.wait()}"
        raise RuntimeError(f"{self.process.args[0]} did not say '{words}' and {state}: {self.log_text()[-2000:]}")

    @property
    def pid(self):
        return self.process.pid

    @property
    def alive(self):
        return self.process.poll() is None

    def rss_mb(self, peak=False):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:" if peak else "VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0

    def log_text(self):
        return self.log_path.read_text(errors="replace")

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """kill -9, and gone when this returns."""
        self.process.kill()
        self.process.wait()
        self.log.close()

    def stop(self, seconds=15):
        """SIGTERM; its exit status, or -9 where it had to be killed."""
        if self.alive:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        return self.process.returncode


class Mock(Program):
    """bench/mock-upstream; its README names what it can do."""

    def __init__(self, *flags):
        self.folder = tempfile.TemporaryDirectory(prefix="gatehouse-mock-")
        super().__init__([BUILD / "mock-upstream", "--listen", "127.0.0.1:0", *flags], self.folder.name)
        self.port = int(self.line_with("listening on").rsplit(":", 1)[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def ask(self, path, body=None):
        reply = exchange(self.port, "GET" if body is None else "POST", path, None if body is None else json.dumps(body))
        assert reply.status == 200, reply
        return reply.json if reply.body else None

    def behave(self, upstream=None, **behavior):
        """Replaces what an upstream (or everyone who has nothing of their own) does."""
        self.ask("/mock/behavior", behavior if upstream is None else {"upstream": upstream, **behavior})

    def calls(self, call_id=None):
        if call_id is None:
            return self.ask("/mock/calls")
        reply = exchange(self.port, "GET", f"/mock/calls/{call_id}")
        return reply.json if reply.status == 200 else None

    def stats(self):
        return self.ask("/mock/stats")

    def requests(self, upstream=None):
        stats = self.stats()
        return stats["requests"] if upstream is None else stats["upstreams"].get(upstream, 0)

    def reset(self):
        self.ask("/mock/reset", {})


def upstream(mock, name="mock", **more):
    """An upstream that is /@name of the mock. No probes, so that the mock counts calls alone."""
    base = {"name": name, "kind": "openai", "url": f"{mock.url}/@{name}/v1", "auth": {"api_key": "sk-upstream"},
            "health": {"enabled": False}}
    kind = more.get("kind")
    if kind in ("anthropic", "azure_openai", "http"):
        base["url"] = f"{mock.url}/@{name}"
    return {**base, **more}


def model(name="gpt", *upstreams, **more):
    targets = [each if isinstance(each, dict) else {"upstream": each} for each in upstreams or ("mock",)]
    return {"name": name, "upstreams": targets, **more}


class Gate(Program):
    """`gatehouse serve`, with a key named `caller`.

    The configuration is JSON, which is YAML. What stands in `config` is on top of
    defaults that have one upstream `mock` and one model `gpt`."""

    def __init__(self, mock=None, config=None, keys=None, env=None, directory=None, preexec=None):
        self.folder = tempfile.TemporaryDirectory(prefix="gatehouse-e2e-") if directory is None else None
        self.directory = pathlib.Path(directory or self.folder.name)
        self.config_path = self.directory / "gatehouse.yaml"
        self.config = {"server": {"listen": "127.0.0.1:0", "drain": "5s"},
                       "storage": {"path": str(self.directory / "data")}, **(config or {})}
        if mock is not None:
            self.config.setdefault("upstreams", [upstream(mock)])
            self.config.setdefault("models", [model()])
        self.env, self.preexec = env, preexec
        self.write_config()
        self.keys = {}
        for name, arguments in {"caller": [], **(keys or {})}.items():
            self.make_key(name, *arguments)
        self.start()

    def write_config(self, **changes):
        self.config.update(changes)
        # In one step, as an editor does it: a half-written file is another test.
        fresh = self.config_path.with_suffix(".new")
        fresh.write_text(json.dumps(self.config, indent=1))
        fresh.replace(self.config_path)

    def start(self):
        super().__init__([BUILD / "gatehouse", "serve", "--config", self.config_path], self.directory, self.env,
                         self.preexec)
        line = self.line_with("is listening on")
        self.url = line.split("listening on ", 1)[1].strip()
        self.port = int(self.url.rsplit(":", 1)[1])

    def run(self, *words):
        """Another command of the program, on the same data."""
        return subprocess.run([BUILD / "gatehouse", *map(str, words), "--config", self.config_path], cwd=self.directory,
                              env={**os.environ, **(self.env or {})}, capture_output=True, text=True, check=False,
                              timeout=60)

    def make_key(self, name, *arguments):
        done = self.run("key", "create", "--name", name, *arguments)
        assert done.returncode == 0, done.stderr
        self.keys[name] = done.stdout.strip()
        return self.keys[name]

    def headers(self, key="caller", **headers):
        made = {"content-type": "application/json"}
        if key is not None:
            made["authorization"] = f"Bearer {self.keys.get(key, key)}"
        made.update({name.replace("_", "-"): str(value) for name, value in headers.items()})
        return made

    def post(self, path, body, key="caller", timeout=30, **headers):
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return exchange(self.port, "POST", path, data, self.headers(key, **headers), timeout)

    def get(self, path, key="caller", **headers):
        return exchange(self.port, "GET", path, None, self.headers(key, **headers))

    def metric(self, name, key, **labels):
        """The sum of a metric's series that have these labels; None where there is none."""
        found = None
        for line in self.get("/metrics", key).body.decode().splitlines():
            series, _, value = line.rpartition(" ")
            if series.split("{")[0] == name and all(f'{label}="{want}"' in series for label, want in labels.items()):
                found = (found or 0) + float(value)
        return found

    def chat(self, key="caller", path=CHAT_PATH, timeout=30, stream=False, mock=None, **members):
        """A chat call; `mock` is what the mock is to do with it."""
        body = {**CHAT, **members}
        if stream:
            body["stream"] = True
        if mock:
            body["mock"] = mock
        return self.post(path, body, key, timeout)

    def records(self):
        """The call records in order, of a server that has ended."""
        done = self.run("records", "--stream", "calls")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def logged(self, request_id):
        """The call's line in the log, with its status and error."""
        def find():
            for line in self.log_text().splitlines():
                if request_id in line and '"message":"call"' in line.replace(" ", ""):
                    return json.loads(line)
            return None
        return wait_until(find, 5)

    def close(self):
        status = self.stop()
        if self.folder is not None:
            self.folder.cleanup()
        return status


class GateCase(unittest.TestCase):
    """A test with one mock a class; each gate it makes is stopped after it."""

    @classmethod
    def setUpClass(cls):
        cls.mock = Mock()
        cls.addClassCleanup(cls.mock.stop)

    def setUp(self):
        self.mock.behave()
        self.mock.reset()

    def gate(self, config=None, **more):
        made = Gate(self.mock, config, **more)
        self.addCleanup(made.close)
        return made

    def assert_error(self, reply, status, code):
        self.assertEqual(reply.status, status, reply)
        self.assertEqual(reply.error["code"], code, reply)
        self.assertTrue(reply.error["message"], reply)


def send_raw(port, *parts, timeout=5, pause=0.0, half_close=False):
    """(bytes, ended) that come back when these bytes are sent as they are; ended: the peer closed."""
    with socket.create_connection(("127.0.0.1", port), timeout) as peer:
        with contextlib.suppress(OSError):
            for part in parts:
                peer.sendall(part)
                if pause:
                    time.sleep(pause)
            if half_close:
                peer.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while part := peer.recv(65536):
                got += part
            return got, True
        except TimeoutError:
            return got, False
        except OSError:
            return got, True
