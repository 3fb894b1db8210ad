"""Remote write out: what is pushed to Gatehouse arrives at Debian's prometheus and at
VictoriaMetrics, also when the receiver was away and Gatehouse was killed meanwhile."""
import pathlib
import shutil
import tempfile
import unittest

from gate import wait_until
from programs import DebianProgram, MetricCase, MetricGate, Prometheus, PrometheusApi, free_port, need, now_ms
from remote_write import series

VICTORIA_METRICS = shutil.which("victoria-metrics")
SERIES, SAMPLES, STEP_MS = 200, 40, 1000
ARRIVES_WITHIN_S = 30


class VictoriaMetrics(PrometheusApi, DebianProgram):
    def __init__(self):
        need(VICTORIA_METRICS, "victoria-metrics")
        self.port = free_port()
        super().__init__([VICTORIA_METRICS, f"-httpListenAddr=127.0.0.1:{self.port}", "-storageDataPath=data",
                          "-search.latencyOffset=0s"], "/health")


def away(kind):
    """A receiver of this kind that ended again, and how to start it on the same port and data."""
    peer = kind()
    command, folder = peer.process.args, peer.folder
    peer.stop()

    def start():
        again = kind.__new__(kind)
        again.port = peer.port
        DebianProgram.__init__(again, command, "/-/ready", folder)
        return again
    return peer, start


class ExportTest(MetricCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="gatehouse-export-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.end_ms = now_ms()

    def gate(self, peer):
        gate = self.started(MetricGate(directory=self.folder, prometheus={
            "global": {"external_labels": {"cluster": "here"}},
            "remote_write": [{"name": "peer", "url": f"http://127.0.0.1:{peer.port}/api/v1/write",
                              "queue_config": {"batch_send_deadline": "200ms"}}]}))
        # A new destination gets what comes from its start on.
        self.assertTrue(wait_until(lambda: gate.metric("prometheus_remote_storage_shards", "admin")))
        return gate

    def push(self, gate, first, last):
        """The samples from `first` on, before `last`, of each series."""
        begin_ms = self.end_ms - SAMPLES * STEP_MS
        gate.push([series({"__name__": "out_total", "n": str(n)},
                          [(begin_ms + k * STEP_MS, n + k / 4) for k in range(first, last)]) for n in range(SERIES)])

    def check(self, peer):
        at, window = self.end_ms / 1000, f"[{2 * SAMPLES * STEP_MS // 1000}s]"
        wanted = SERIES * SAMPLES
        count = wait_until(lambda: peer.value(f"sum(count_over_time(out_total{window}))", time=at) == wanted,
                           ARRIVES_WITHIN_S, every=0.2)
        self.assertTrue(count, peer.value(f"sum(count_over_time(out_total{window}))", time=at))
        for each in peer.data("query", query=f"out_total{window}", time=at)["result"]:
            self.assertEqual(each["metric"]["cluster"], "here")
            n = int(each["metric"]["n"])
            self.assertEqual([float(value) for _, value in each["values"]], [n + k / 4 for k in range(SAMPLES)])

    def check_sent(self, peer):
        gate = self.gate(peer)
        for first in range(0, SAMPLES, 10):
            self.push(gate, first, first + 10)
        self.check(peer)
        sent = gate.metric("prometheus_remote_storage_samples_total", "admin", remote_name="peer")
        self.assertEqual(sent, SERIES * SAMPLES)
        self.assertEqual(gate.metric("prometheus_remote_storage_samples_failed_total", "admin"), 0)

    def test_prometheus_receives(self):
        self.check_sent(self.started(Prometheus()))

    def test_victoria_metrics_receives(self):
        self.check_sent(self.started(VictoriaMetrics()))

    def test_a_receiver_away_and_kill_9_lose_nothing(self):
        peer, start = away(Prometheus)
        gate = self.gate(peer)
        self.push(gate, 0, 20)
        gate.kill()
        gate.start()
        self.push(gate, 20, SAMPLES)
        self.check(self.started(start()))


if __name__ == "__main__":
    unittest.main()
