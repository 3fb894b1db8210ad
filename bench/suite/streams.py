"""What Gatehouse adds to the first byte of a stream, and its memory with 5,000 idle ones.

Streams of 20 events start 200 times a second; the first byte of the body through the
proxy is compared with the first byte straight from the mock, medians of alternating
rounds. Then 5,000 streams are opened that fall silent after their first event. nginx
(without buffering) is there for comparison.
"""
import statistics
import subprocess

from suite import subjects
from suite.programs import Bystanders, failures, get_json, loadgen, loadgen_command, mock_upstream, prepare, say

RATE = 200
IDLE_STREAMS = 5000
SUBJECTS = {"direct": subjects.direct, "nginx": subjects.nginx_unbuffered, "gatehouse": subjects.gatehouse}


def first_byte_us(make, seconds):
    with mock_upstream("--tokens", "20") as mock, make(mock) as subject:
        others = Bystanders(subject.program, mock)
        result = loadgen(subject.url, "--sse", "--rate", RATE, "--connections", 64, "--warmup", 1, "--duration", seconds,
                         headers=subject.headers)
        others.warn()
        if failures(result):
            raise RuntimeError(f"not all well: {failures(result)}")
        return result["first_byte_us"]["p50"]


def idle_memory(make):
    """RSS before and with the idle streams, and how many there were."""
    with mock_upstream("--threads", "1") as mock, make(mock) as subject:
        before = subject.program.rss_mb()
        get_json(f"{mock.url}/mock/behavior", {"stall_after_events": 2})
        holder = subprocess.Popen(loadgen_command(subject.url, "--hold", IDLE_STREAMS, "--duration", 6, headers=subject.headers),
                                  stdout=subprocess.PIPE, text=True)
        holding = int(holder.stdout.readline().split()[1])
        try:
            holder.wait(3)  # the memory of opening them settles
        except subprocess.TimeoutExpired:
            pass
        during = subject.program.rss_mb()
        open_at_mock = get_json(f"{mock.url}/mock/stats")["in_flight"]
        holder.communicate()
        return before, during, min(holding, open_at_mock)


def run(options):
    prepare()
    times, memory, missing = {}, {}, {}
    for turn in range(options.rounds):
        for name in list(SUBJECTS) if turn % 2 == 0 else list(reversed(SUBJECTS)):
            if name in missing:
                continue
            try:
                times.setdefault(name, []).append(first_byte_us(SUBJECTS[name], options.seconds))
            except (subjects.Missing, RuntimeError) as reason:
                missing[name] = reason
    for name in ("nginx", "gatehouse"):
        if name not in missing:
            try:
                memory[name] = idle_memory(SUBJECTS[name])
            except (subjects.Missing, RuntimeError) as reason:
                missing[name] = reason
    direct = statistics.median(times["direct"])
    say(f"direct          first byte p50 {direct:6.0f} us")
    for name in ("nginx", "gatehouse"):
        if name in missing:
            say(f"{name:15} skipped: {missing[name]}")
            continue
        before, during, held = memory[name]
        middle = statistics.median(times[name])
        say(f"{name:15} first byte p50 {middle:6.0f} us, added {middle - direct:6.0f} us   "
            f"RSS {before:5.1f} MB, with {held} idle streams {during:6.1f} MB")
    if "gatehouse" in missing:
        say(f"streams: skipped, {missing['gatehouse']}")
        return 1
    _, during, held = memory["gatehouse"]
    say(f"streams: first byte added {statistics.median(times['gatehouse']) - direct:.0f} us p50, "
        f"{held} idle streams {during:.0f} MB")
    return 0 if held == IDLE_STREAMS else 1
