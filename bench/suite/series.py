"""A million live series: pushed by remote write; what memory the program then takes.

Each series gets ten samples, every one a push of its own as from a scrape, so that each has a
chunk that is being written. RSS counts all: the program's own pages too. The peak is that of
the whole run, the writing of the head to disk included. Then kill -9, and the time until a
query over 2,000 of the series is answered right.
"""
import json
import os
import signal
import time

from suite import metric_subjects, metrics
from suite.programs import machine, say, work_directory

SHAPE = {"series": 1_000_000, "samples": 10, "interval": 15, "together": 1}
NAMED_SERIES = 2000  # that the stream gives a name of their own


def status_mib(program, field):
    with open(f"/proc/{program.server_pid()}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {field} in /proc")


def count_named(subject, end):
    rows = metrics.ask(subject, "query", {"query": f"count({metrics.BUCKETS})", "time": metrics.EDGE}, end)["result"]
    return int(float(rows[0]["value"][1])) if rows else 0


def live_series(subject):
    return json.loads(subject.ask("/api/v1/status/tsdb"))["data"]["headStats"]["numSeries"]


def restart_s(subject, end):
    os.kill(subject.program.server_pid(), signal.SIGKILL)
    subject.program.process.wait()
    begin = time.monotonic()
    subject.start_again()
    while time.monotonic() < begin + 120:
        try:
            if count_named(subject, end) == NAMED_SERIES:
                return time.monotonic() - begin
        except OSError:
            pass
        time.sleep(0.005)
    raise RuntimeError("it did not answer right within two minutes of kill -9")


def run(_options):
    metric_subjects.prepare()
    say(f"machine: {machine()}")
    with work_directory() as directory:
        end = int(time.time()) // 15 * 15
        stream = metrics.make_stream(directory, "series", SHAPE, end)
        with metric_subjects.gatehouse() as subject:
            before_s = subject.program.cpu_s()
            metrics.send_stream(stream, subject)
            metrics.wait_until_quiet(subject.program)
            cpu_us = 1e6 * (subject.program.cpu_s() - before_s) / (SHAPE["series"] * SHAPE["samples"])
            if count_named(subject, end) != NAMED_SERIES:
                raise RuntimeError("a query does not find what was pushed")
            live, rss = live_series(subject), status_mib(subject.program, "VmRSS")
            say(f"cpu {cpu_us:.2f} us/sample   anonymous memory {metrics.anonymous_bytes(subject.program) / live:.0f} B/series   "
                f"peak RSS {status_mib(subject.program, 'VmHWM'):.0f} MiB")
            took_s = restart_s(subject, end)
            if (again := live_series(subject)) != live:
                raise RuntimeError(f"{live} series before kill -9, {again} after")
            say(f"kill -9 to right answer {took_s:.2f} s   RSS then {status_mib(subject.program, 'VmRSS'):.0f} MiB")
    say(f"series: {live} live, RSS {rss:.0f} MiB")
    return 0
