"""The programs a benchmark runs: built, started on free ports, pinned, measured, stopped."""
import contextlib
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "release"
PROXY_CORE = "0"
LOAD_CORE = "1"
# Above this the machine was not ours, and the figures say more about the others.
OTHERS_SHARE_MAX = 0.05
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def say(text):
    print(text, flush=True)


def prepare():
    """Builds the programs and installs the peers; ends the run with a clear line if it cannot."""
    if (os.cpu_count() or 1) < 2:
        sys.exit("bench: two cores are needed, one for the proxy and one for load and mock")
    subprocess.run([ROOT / "scripts" / "install-deps", "build", "bench"], check=True)
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["cmake", "--preset", "release"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    targets = ["mock-upstream", "loadgen"] + ([] if os.environ.get("GATEHOUSE_BINARY") else ["gatehouse"])
    built = subprocess.run(["ninja", "-C", BUILD, *targets], capture_output=True, text=True, check=False)
    if built.returncode != 0:
        sys.exit(built.stdout + built.stderr + "bench: the build failed")
    # Thousands of streams need twice as many descriptors; children inherit this.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    say(f"machine: {machine()}")


def machine():
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores, Linux {os.uname().release}, load {load:.1f} at the start"


class Bystanders:
    """How much of the machine's processors other programs took while this one measured."""

    def __init__(self, *ours):
        self.ours = [program for program in ours if program]
        self.start = self.taken()
        self.since = time.monotonic()

    def taken(self):
        fields = list(map(int, pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]))
        idle = fields[3] + fields[4]
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        own = children.ru_utime + children.ru_stime + sum(program.cpu_s() for program in self.ours)
        return (sum(fields) - idle) / CLOCK_TICKS - own

    def warn(self):
        if self.share() > OTHERS_SHARE_MAX:
            say(f"not to be trusted: other programs took {100 * self.share():.0f} % of the machine meanwhile")

    def share(self):
        return max(0.0, (self.taken() - self.start) / (time.monotonic() - self.since) / (os.cpu_count() or 1))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get_json(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=30) as reply:
        return json.load(reply)


def status_of(url, headers, body):
    request = urllib.request.Request(url, data=body.encode(), headers={"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            reply.read()
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


class Program:
    """A child process with its own directory; stopped, with all its children, by stop()."""

    def __init__(self, command, core, directory, stdout=None):
        self.log = open(directory / "log", "ab")
        self.process = subprocess.Popen(["taskset", "-c", core, *map(str, command)], stdout=stdout or self.log,
                                        stderr=self.log, start_new_session=True, cwd=directory)
        self.directory = directory

    def pids(self):
        """The process and its descendants."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (task / "children").read_text().split())
        return found

    def rss_mb(self):
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith("VmRSS:"):
                        total += int(line.split()[1])
        return total / 1024

    def cpu_s(self):
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                total += int(fields[11]) + int(fields[12])
        return total / CLOCK_TICKS

    def wait_for_port(self, port, seconds=15):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                return
            time.sleep(0.02)
        raise RuntimeError(f"{self.process.args[3]} does not answer: {self.last_line()}")

    def last_line(self):
        lines = (self.directory / "log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)  # the group that this program began
                self.process.wait()
        self.log.close()


@contextlib.contextmanager
def work_directory():
    path = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-bench-"))
    path.chmod(0o755)  # nginx's worker gives up root and must reach its files
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def mock_upstream(*flags):
    """A mock on the load's core; yields its program with .port and .url."""
    with work_directory() as directory:
        mock = Program([BUILD / "mock-upstream", "--listen", "127.0.0.1:0", *flags], LOAD_CORE, directory,
                       stdout=subprocess.PIPE)
        try:
            line = mock.process.stdout.readline().decode()
            if "listening on" not in line:
                raise RuntimeError(f"mock-upstream did not start: {mock.last_line()}")
            mock.port = int(line.rsplit(":", 1)[1])
            mock.url = f"http://127.0.0.1:{mock.port}"
            yield mock
        finally:
            mock.stop()


def loadgen_command(url, *flags, headers=None):
    command = ["taskset", "-c", LOAD_CORE, str(BUILD / "loadgen"), "--json", *map(str, flags)]
    for name, value in (headers or {}).items():
        command += ["--header", f"{name}: {value}"]
    return command + [url]


def loadgen(url, *flags, headers=None):
    """Runs the load generator and returns what it measured."""
    done = subprocess.run(loadgen_command(url, *flags, headers=headers), check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout.splitlines()[-1])


def failures(result):
    """What is wrong with a measurement, or an empty string."""
    wrong = [f"{count} x status {status}" for status, count in result["statuses"].items() if status != "200"]
    wrong += [f"{result[name]} {name}" for name in ("connection_errors", "cut_replies", "unfinished") if result[name]]
    return ", ".join(wrong)
