"""The stores of samples that are compared: Gatehouse and Debian's two peers."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import urllib.request

from suite.programs import BUILD, ROOT, Program, free_port, work_directory

ALL_CORES = f"0-{(os.cpu_count() or 1) - 1}"

GATEHOUSE_CONFIG = """\
server: {{listen: 127.0.0.1:{port}}}
storage: {{path: {directory}/data}}
log: {{level: warning}}
metrics: {{host: {{enabled: false}}, self: {{enabled: false}}}}
"""


def prepare():
    if not all(map(shutil.which, ("prometheus", "victoria-metrics"))):
        subprocess.run([ROOT / "scripts" / "install-deps", "test"], check=True)
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["cmake", "--preset", "release"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    built = subprocess.run(["ninja", "-C", BUILD, "gatehouse", "metric-stream"], capture_output=True, text=True, check=False)
    if built.returncode != 0:
        sys.exit(built.stdout + built.stderr + "bench: the build failed")


class Server(Program):
    def server_pid(self):
        """taskset becomes the server by exec."""
        return self.process.pid


class Subject:
    """A running store. `command` starts it again on the same data after a kill."""
    query_parameters = {}

    def __init__(self, name, command, port, directory, headers=None):
        self.name, self.command, self.port, self.directory = name, command, port, directory
        self.headers = headers or {}
        self.start_again()
        self.program.wait_for_port(port)

    def start_again(self):
        self.program = Server(self.command, ALL_CORES, self.directory)

    def ask(self, path):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=self.headers)
        with urllib.request.urlopen(request, timeout=600) as reply:
            return reply.read()


def bytes_under(path):
    return sum(each.stat().st_blocks * 512 for each in path.rglob("*") if each.is_file())


class Gatehouse(Subject):
    def disk_bytes_a_sample(self, _samples):
        """Of the finished blocks, counted by their files and by what the server says is in them."""
        blocks = json.loads(self.ask("/api/v1/status/tsdb"))["data"]["storage"]["blocks"]
        if not blocks:
            raise RuntimeError("no finished block")
        return bytes_under(self.directory / "data" / "metrics" / "blocks") / sum(each["samples"] for each in blocks)


class Prometheus(Subject):
    def disk_bytes_a_sample(self, _samples):
        """Of the finished blocks, as their meta.json counts them; the head's log is no block."""
        total = samples = 0
        for meta in (self.directory / "data").glob("*/meta.json"):
            samples += json.loads(meta.read_text())["stats"]["numSamples"]
            total += bytes_under(meta.parent)
        if samples == 0:
            raise RuntimeError("no finished block")
        return total / samples


class VictoriaMetrics(Subject):
    query_parameters = {"nocache": "1"}

    def disk_bytes_a_sample(self, samples):
        self.ask("/internal/force_flush")
        self.ask("/internal/force_merge")
        last, steady = -1, 0
        for _ in range(120):
            time.sleep(1)
            size = bytes_under(self.directory / "data")
            steady = steady + 1 if size == last else 0
            if steady == 5:
                break
            last = size
        return last / samples


@contextlib.contextmanager
def running(make):
    with work_directory() as directory:
        subject = make(directory, free_port())
        try:
            yield subject
        finally:
            subject.program.stop()


def gatehouse():
    def make(directory, port):
        config = directory / "gatehouse.yaml"
        config.write_text(GATEHOUSE_CONFIG.format(port=port, directory=directory))
        binary = os.environ.get("GATEHOUSE_BINARY", BUILD / "gatehouse")
        made = subprocess.run([binary, "key", "create", "--config", config, "--name", "bench", "--role", "admin"],
                              check=True, capture_output=True, text=True, cwd=directory)
        key = made.stdout.strip().splitlines()[-1].split()[-1]
        return Gatehouse("gatehouse", [binary, "serve", "--config", config], port, directory, {"Authorization": f"Bearer {key}"})
    return running(make)


def prometheus():
    def make(directory, port):
        config = directory / "prometheus.yml"
        config.write_text("global: {}\n")
        return Prometheus("prometheus", ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory}/data",
                                         f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver"], port, directory)
    return running(make)


def victoria_metrics():
    def make(directory, port):
        return VictoriaMetrics("victoria-metrics", ["victoria-metrics", f"-storageDataPath={directory}/data",
                                                    f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=1"], port, directory)
    return running(make)


SUBJECTS = {"prometheus": prometheus, "victoria-metrics": victoria_metrics, "gatehouse": gatehouse}
