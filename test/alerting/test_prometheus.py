"""The same rule file and the same samples to Gatehouse and to Debian's prometheus: the same
rules, alerts and samples out of both, in the same shape."""
import json
import pathlib
import tempfile
import threading

from remote_write import HEADERS, request, snappy
from rule_programs import MetricCase, Prometheus, RuleGate, group, now_ms, series, wait_until
import gate as e2e

RULES = {"groups": [
    group("recorded",
          {"record": "job:requests:sum", "expr": "sum by(job)(requests)", "labels": {"kind": "sum"}},
          {"record": "job:requests:double", "expr": "job:requests:sum * 2"},
          {"record": "plain:scalar", "expr": "scalar(sum(requests)) + 1"}),
    group("alerts",
          {"alert": "Many", "expr": "sum by (job) (requests) > 5", "for": "2s", "labels": {"severity": "page", "who": "{{ $labels.job }}"},
           "annotations": {"summary": "{{ $labels.job }} has {{ $value | humanize }}", "empty": ""}},
          {"alert": "Waits", "expr": "requests{n='1'} > 0", "for": "1h"},
          {"alert": "Never", "expr": "requests < 0", "annotations": {"summary": "never"}},
          {"alert": "Kept", "expr": "requests{job='b'} > 100", "keep_firing_for": "1h"}),
    group("wrong", {"record": "bad", "expr": "requests * on (job) requests"},
          {"alert": "Twice", "expr": "requests", "labels": {"n": "same"}}),
    group("limited", {"record": "too:many", "expr": "requests"}, limit=1),
    group("empty"),
]}
# What time and speed decide.
TIMES = {"evaluationTime", "lastEvaluation", "activeAt", "keepFiringSince"}


def settled(value):
    """Without what differs from one evaluation to the next; labels that are empty count as absent."""
    if isinstance(value, dict):
        return {name: settled(each) for name, each in value.items()
                if name not in TIMES and not (name == "labels" and each == {})}
    if isinstance(value, list):
        return sorted((settled(each) for each in value), key=json.dumps)
    return value


def kinds(value):
    if isinstance(value, dict):
        return {name: kinds(each) for name, each in value.items()}
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


class PrometheusTest(MetricCase):
    maxDiff = None
    """One pair of servers for all: both are sent the same every half second."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="gatehouse-rules-")
        path = pathlib.Path(cls.folder.name) / "rules.yml"
        path.write_text(json.dumps(RULES))
        cls.gate = RuleGate(RULES, config={"rules": {"files": [str(path)], "ai": False}})
        cls.addClassCleanup(cls.gate.close)
        cls.prometheus = Prometheus({"rule_files": [str(path)]})
        cls.addClassCleanup(cls.prometheus.close)
        cls.addClassCleanup(cls.folder.cleanup)
        cls.high = True
        cls.ended = threading.Event()
        cls.feeder = threading.Thread(target=cls.feed, daemon=True)
        cls.feeder.start()
        cls.addClassCleanup(lambda: (cls.ended.set(), cls.feeder.join()))
        for server in (cls.gate, cls.prometheus):
            assert wait_until(lambda: cls.fires(server, "Many") and cls.fires(server, "Kept"), 20), server.data("alerts")
        # Kept goes on although its expression no longer holds; Many withdraws for job b.
        cls.high = False
        for server in (cls.gate, cls.prometheus):
            assert wait_until(lambda: len(server.data("alerts")["alerts"]) == 4 and
                              server.value('job:requests:sum{job="b"}') == 3, 20), server.data("alerts")

    @classmethod
    def feed(cls):
        while not cls.ended.wait(0.5):
            values = {("a", "0"): 3, ("a", "1"): 4, ("b", "0"): 101 if cls.high else 1, ("b", "1"): 2}
            body = snappy(request([series({"__name__": "requests", "job": job, "n": n}, [(now_ms(), value)])
                                   for (job, n), value in values.items()]))
            cls.gate.push_bytes(body)
            e2e.exchange(cls.prometheus.port, "POST", "/api/v1/write", body, HEADERS, 10)

    @staticmethod
    def fires(server, name):
        return any(each["labels"]["alertname"] == name and each["state"] == "firing" for each in server.data("alerts")["alerts"])

    def both(self, what, **parameters):
        return self.gate.data(what, **parameters), self.prometheus.data(what, **parameters)

    def test_alerts_are_the_same(self):
        ours, theirs = self.both("alerts")
        self.assertEqual(len(ours["alerts"]), 4)
        self.assertEqual(settled(ours), settled(theirs))

    def test_rules_have_the_same_shape_and_say_the_same(self):
        ours, theirs = self.both("rules")
        # Since 2.44 Prometheus lists no group without a rule.
        theirs["groups"] = [each for each in theirs["groups"] if each["rules"]]
        errors = []
        for groups in (ours["groups"], theirs["groups"]):
            errors.append({rule["name"]: bool(rule.pop("lastError", "")) for each in groups for rule in each["rules"]})
        self.assertEqual(errors[0], errors[1])
        self.assertTrue(errors[0]["bad"] and errors[0]["Twice"] and errors[0]["too:many"])
        self.assertEqual(settled(ours), settled(theirs))
        self.assertEqual([each["name"] for each in ours["groups"]], [each["name"] for each in theirs["groups"]])
        for mine, other in zip(ours["groups"], theirs["groups"]):
            self.assertEqual(kinds({**mine, "rules": []}), kinds({**other, "rules": []}))
            for rule, peer in zip(mine["rules"], other["rules"]):
                rule.pop("alerts", None), peer.pop("alerts", None), peer.setdefault("labels", {})
                self.assertEqual(kinds(rule), kinds(peer))

    def test_filters_by_type(self):
        for kind in ("alert", "record"):
            ours, theirs = self.both("rules", type=kind)
            names = [[rule["name"] for each in found["groups"] for rule in each["rules"]] for found in (ours, theirs)]
            self.assertEqual(names[0], names[1])
            self.assertTrue(names[0])
        self.assert_refused(self.gate.ask("rules", type="other"), 400, "bad_data")

    def test_filters_that_debians_prometheus_does_not_know(self):
        def names(**parameters):
            return [rule["name"] for each in self.gate.data("rules", **parameters)["groups"] for rule in each["rules"]]
        self.assertEqual(names(**{"rule_name[]": ["Many", "Kept"]}), ["Many", "Kept"])
        self.assertEqual(names(**{"rule_group[]": "limited"}), ["too:many"])
        self.assertEqual(names(**{"file[]": "/elsewhere"}), [])
        self.assertEqual(names(match='{severity="page"}'), ["Many"])
        self.assertEqual(names(match=['{severity="page"}', '{kind="sum"}']), ["Many", "job:requests:sum"])
        shown = self.gate.data("rules", exclude_alerts="true", **{"rule_name[]": "Many"})["groups"][0]["rules"][0]
        self.assertEqual((shown["alerts"], shown["state"]), ([], "firing"))
        self.assert_refused(self.gate.ask("rules", exclude_alerts="maybe"), 400, "bad_data")

    def test_pages_of_groups(self):
        seen, token = [], ""
        while True:
            page = self.gate.data("rules", group_limit="2", **({"group_next_token": token} if token else {}))
            seen += [each["name"] for each in page["groups"]]
            token = page.get("groupNextToken")
            if not token:
                break
        self.assertEqual(seen, ["alerts", "limited", "recorded", "wrong"])
        for wrong in ({"group_limit": "0"}, {"group_limit": "x"}, {"group_next_token": "x"},
                      {"group_limit": "1", "group_next_token": "x"}):
            self.assert_refused(self.gate.ask("rules", **wrong), 400, "bad_data")

    def test_samples_are_the_same(self):
        for query in ("job:requests:sum", "job:requests:double", "plain:scalar", "ALERTS", "bad", "too:many",
                      "count by (__name__, alertname) (ALERTS_FOR_STATE)"):
            def answers():
                return [{json.dumps(row["metric"], sort_keys=True): row["value"][1] for row in found["result"]}
                        for found in self.both("query", query=query)]
            # Each has its own moments within the second.
            wait_until(lambda: len({str(sorted(each.items())) for each in answers()}) == 1, 5)
            ours, theirs = answers()
            self.assertEqual(ours, theirs, query)
            self.assertEqual(not ours, query in ("bad", "too:many"), query)

    def test_prometheus_names_of_metrics(self):
        # One that both count alike: a rule of `wrong` fails at each evaluation.
        text = self.gate.ask("/metrics", headers={"authorization": f"Bearer {self.gate.keys['admin']}"}).body.decode()
        theirs = e2e.exchange(self.prometheus.port, "GET", "/metrics").body.decode()
        for name in ("prometheus_rule_evaluations_total", "prometheus_rule_evaluation_failures_total",
                     "prometheus_rule_group_iterations_total", "prometheus_rule_group_iterations_missed_total",
                     "prometheus_rule_group_interval_seconds", "prometheus_rule_group_last_duration_seconds",
                     "prometheus_rule_group_last_evaluation_samples", "prometheus_rule_group_rules",
                     "prometheus_rule_group_last_evaluation_timestamp_seconds"):
            labels = [sorted(line.split("{")[1].split("}")[0] for line in page.splitlines() if line.startswith(name + "{"))
                      for page in (text, theirs)]
            self.assertEqual(labels[0], labels[1], name)
        self.assertIn("prometheus_rule_evaluation_duration_seconds_count", text)
