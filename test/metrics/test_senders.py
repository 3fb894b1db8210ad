"""Programs that send samples to Gatehouse, as their makers ship them; and what each kind of
sender is told."""
import json
import unittest

from google.protobuf import json_format
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from gate import wait_until
from programs import METRIC_STREAM, MetricCase, MetricGate, NodeExporter, Prometheus, now_ms, run_tool, send_stream
from remote_write import field, request, series, snappy, varint

OTLP_PATH = "/api/v1/otlp/v1/metrics"


class SenderCase(MetricCase):
    @classmethod
    def setUpClass(cls):
        cls.gate = MetricGate()
        cls.addClassCleanup(cls.gate.close)

    def soon(self, query, want=None, seconds=10):
        def found():
            value = self.gate.value(query)
            return value is not None and (want is None or value == want)
        self.assertTrue(wait_until(found, seconds, 0.1), f"{query}: {self.gate.ask('query', query=query)}")


class PrometheusTest(SenderCase):
    def test_remote_write(self):
        exporter = self.started(NodeExporter())
        self.started(Prometheus({
            "global": {"scrape_interval": "1s", "external_labels": {"site": "here"}},
            "scrape_configs": [{"job_name": "node", "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}]}],
            "remote_write": [{"url": f"{self.gate.url}/api/v1/write", "metadata_config": {"send_interval": "1s"},
                              "authorization": {"credentials": self.gate.keys["pusher"]}}]}))
        self.soon('up{job="node",site="here"}', 1, 20)
        self.soon('count_over_time(node_load1{job="node"}[1m]) > bool 2', 1, 20)
        self.assertTrue(wait_until(lambda: self.gate.data("metadata", metric="node_load1"), 10))
        self.assertEqual(self.gate.data("metadata", metric="node_load1")["node_load1"][0]["type"], "gauge")
        exporter.close()
        # The sender's stale markers end the series at once, not after five minutes.
        self.soon('up{job="node"}', 0)
        self.assertTrue(wait_until(lambda: self.gate.value('node_load1{job="node"}') is None, 10))

    def test_metric_stream(self):
        stream = self.gate.directory / "stream"
        end_s = now_ms() // 1000
        made = run_tool(METRIC_STREAM, "make", stream, "--series", 3000, "--samples", 40, "--end", end_s)
        self.assertEqual(made.returncode, 0, made.stderr)
        sent = send_stream(stream, self.gate, f"Authorization: Bearer {self.gate.keys['pusher']}")
        self.assertEqual(sent["retried"], 0)
        self.assertEqual(self.gate.value('count({__name__=~"bench_.+"})', time=end_s), 3000)
        self.assertEqual(self.gate.value('sum(count_over_time({__name__=~"bench_.+"}[1h]))', time=end_s), 3000 * 40)
        # The same once more: every sample is one that is there.
        send_stream(stream, self.gate, f"Authorization: Bearer {self.gate.keys['pusher']}")
        self.assertEqual(self.gate.value('sum(count_over_time({__name__=~"bench_.+"}[1h]))', time=end_s), 3000 * 40)


class RemoteWriteTwoTest(SenderCase):
    """io.prometheus.write.v2.Request, which no sender in Debian speaks yet."""
    TYPE = "application/x-protobuf;proto=io.prometheus.write.v2.Request"

    def test_samples_metadata_and_what_was_written(self):
        at = now_ms()
        symbols = ["", "__name__", "two_total", "job", "a", "what it counts", "seconds"]
        refs = b"".join(varint(each) for each in (1, 2, 3, 4))
        metadata = b"\x08\x01" + b"\x18\x05" + b"\x20\x06"  # a counter, help, unit
        point = b"\x09" + b"\0\0\0\0\0\0\x45\x40" + b"\x10" + varint(at)
        message = b"".join(field(4, each.encode()) for each in symbols)
        message += field(5, field(1, refs) + field(2, point) + field(5, metadata))
        reply = self.gate.push_bytes(snappy(message), **{"content-type": self.TYPE,
                                                         "x-prometheus-remote-write-version": "2.0.0"})
        self.assertEqual(reply.status, 204, reply)
        self.assertEqual([reply.headers[f"x-prometheus-remote-write-{kind}-written"]
                          for kind in ("samples", "histograms", "exemplars")], ["1", "0", "0"])
        self.assertEqual(self.gate.value("two_total"), 42)
        self.assertEqual(self.gate.data("metadata", metric="two_total"),
                         {"two_total": [{"type": "counter", "help": "what it counts", "unit": "seconds"}]})

    def test_a_reference_to_no_symbol(self):
        message = field(4, b"") + field(5, field(1, varint(1) + varint(200)) + field(2, b"\x10" + varint(now_ms())))
        reply = self.gate.push_bytes(snappy(message), **{"content-type": self.TYPE})
        self.assertEqual(reply.status, 400, reply)

    def test_versions_that_nobody_knows(self):
        reply = self.gate.push_bytes(b"", **{"content-type": "application/x-protobuf;proto=io.prometheus.write.v9.Request"})
        self.assertEqual(reply.status, 415, reply)
        self.assertEqual(self.gate.push_bytes(b"", **{"content-encoding": "zstd"}).status, 415)
        self.assertEqual(self.gate.push_bytes(b"", **{"content-type": "text/plain"}).status, 415)


class OpenTelemetryTest(SenderCase):
    """The SDK's own exporter, as an application that is told nothing but where and who."""

    def provider(self, compression, temporality=None, service="shop", **more):
        exporter = OTLPMetricExporter(f"{self.gate.url}{OTLP_PATH}", compression=compression, timeout=10,
                                      headers={"authorization": f"Bearer {self.gate.keys['pusher']}"},
                                      preferred_temporality=temporality)
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=100_000)
        resource = Resource({"service.name": service, "service.namespace": "team", "service.instance.id": "one",
                             "deployment.environment.name": "test"})
        made = MeterProvider([reader], resource, **more)
        self.addCleanup(made.shutdown)
        return made

    def test_protobuf(self):
        for compression in (Compression.NoCompression, Compression.Gzip):
            service = f"shop-{compression.value}"
            provider = self.provider(compression, service=service)
            meter = provider.get_meter("orders", "1.2")
            meter.create_counter("orders.placed", unit="1", description="Orders").add(3, {"customer.kind": "new"})
            meter.create_up_down_counter("queue.length").add(-2)
            meter.create_histogram("request.duration", unit="s").record(0.3)
            self.assertTrue(provider.force_flush())
            job = f'job="team/{service}"'
            self.soon(f'orders_placed_total{{{job},instance="one",customer_kind="new"}}', 3)
            self.soon(f"queue_length{{{job}}}", -2)
            self.soon(f"request_duration_seconds_count{{{job}}}", 1)
            self.soon(f'request_duration_seconds_bucket{{{job},le="+Inf"}}', 1)
            self.soon(f'target_info{{{job},deployment_environment_name="test"}}', 1)
        about = self.gate.data("metadata", metric="orders_placed_total")
        self.assertEqual(about["orders_placed_total"][0]["type"], "counter")

    def test_differences_add_up(self):
        deltas = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}
        provider = self.provider(Compression.NoCompression, deltas, service="adder")
        counter = provider.get_meter("m").create_counter("parcels")
        for total in (5, 10, 15):
            counter.add(5)
            self.assertTrue(provider.force_flush())
            self.soon('parcels_total{job="team/adder"}', total)

    def test_exponential_histograms_are_native_ones(self):
        provider = self.provider(Compression.NoCompression, service="exponential", views=[
            View(instrument_name="size", aggregation=ExponentialBucketHistogramAggregation())])
        histogram = provider.get_meter("m").create_histogram("size", unit="By")
        for size in (1, 2, 4, 8, 16):
            histogram.record(size)
        self.assertTrue(provider.force_flush())
        self.soon('histogram_count(size_bytes{job="team/exponential"})', 5)
        self.soon('histogram_sum(size_bytes{job="team/exponential"})', 31)

    def test_json(self):
        reader = InMemoryMetricReader()
        provider = MeterProvider([reader], Resource({"service.name": "json"}))
        self.addCleanup(provider.shutdown)
        provider.get_meter("m").create_counter("letters").add(7, {"to": "home"})
        message = json.loads(json_format.MessageToJson(encode_metrics(reader.get_metrics_data())))
        reply = self.gate.post(OTLP_PATH, message, "pusher")
        self.assertEqual((reply.status, reply.json), (200, {}), reply)
        self.assertEqual(reply.headers["content-type"], "application/json")
        self.soon('letters_total{job="json",to="home"}', 7)

    def test_what_is_no_message(self):
        for body, headers, status in ((b"{", {}, 400), (b"[]", {}, 400), (b"\xff\xff", {"content-type": "application/x-protobuf"}, 400),
                                      (b"x", {"content-type": "text/plain"}, 415), (b"{}", {"content-encoding": "br"}, 415),
                                      (b"no gzip", {"content-encoding": "gzip"}, 400)):
            with self.subTest(body=body, **headers):
                self.assertEqual(self.gate.post(OTLP_PATH, body, "pusher", **headers).status, status)


class PermissionTest(SenderCase):
    def test_who_may_do_what(self):
        body = snappy(request([series({"__name__": "permitted"}, [(now_ms(), 1)])]))
        for key, push, read, delete in (("pusher", 204, None, 403), ("reader", 403, 200, 403), ("admin", 204, 200, 204),
                                        (None, 401, 401, 401), ("gh_no_such_key", 401, 401, 401)):
            with self.subTest(key=key):
                self.assertEqual(self.gate.push_bytes(body, key).status, push)
                if read is not None:
                    self.assertEqual(self.gate.get("/api/v1/query?query=1", key).status, read)
                self.assertEqual(self.gate.post("/api/v1/admin/tsdb/delete_series?match[]=nothing", "", key,
                                                **{"content-type": "application/x-www-form-urlencoded"}).status, delete)


class DeletionTest(SenderCase):
    def test_series_are_deleted_and_snapshots_taken(self):
        at = now_ms()
        self.gate.push([series({"__name__": "doomed", "n": str(n)}, [(at - 60_000, 1), (at, 2)]) for n in range(3)])

        def delete(**parameters):
            return self.gate.ask("admin/tsdb/delete_series", "POST", {"authorization": f"Bearer {self.gate.keys['admin']}"},
                                 **parameters)
        self.assertEqual(delete(match=['doomed{n="0"}']).status, 204)
        self.assertEqual(delete(match=['doomed{n="1"}'], end=(at - 30_000) / 1000).status, 204)
        self.assert_refused(delete(), 400, "bad_data")
        self.assertEqual(self.gate.value("count(doomed)"), 2)
        self.assertEqual(self.gate.value("sum(count_over_time(doomed[5m]))"), 3)
        admin = {"authorization": f"Bearer {self.gate.keys['admin']}"}
        self.assertEqual(self.gate.ask("admin/tsdb/clean_tombstones", "POST", admin).status, 204)
        taken = self.gate.ask("admin/tsdb/snapshot", "POST", admin)
        self.assertEqual(taken.status, 200, taken)
        self.assertTrue(list(self.gate.directory.rglob(taken.json["data"]["name"])), taken)
        self.gate.kill()
        self.gate.start()
        self.assertTrue(wait_until(lambda: self.gate.value("sum(count_over_time(doomed[5m]))") == 3, 10))


if __name__ == "__main__":
    unittest.main()
