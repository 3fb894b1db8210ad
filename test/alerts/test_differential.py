"""Gatehouse beside Debian's alertmanager: the same alerts, silences, reloads and restarts lead
to the same webhooks, group by group, none lost and none extra, at the same times."""
import collections
import json
import threading
import time
import unittest

from alert_programs import Alertmanager, Rules, Sink, need_debian

# A restart moves the beat of a group by as much as the two programs need to come up, and the
# poster by its second.
WINDOW_SECONDS = 2.5


def config(sink, kind, repeat, **changes):
    """Groups come after 1 s, then every 4 s."""
    root = {"receiver": "all", "group_by": ["job"], "group_wait": "1s", "group_interval": "4s",
            "repeat_interval": repeat, "routes": [
                {"matchers": ['team="db"'], "receiver": "db", "continue": True},
                {"matchers": ['team="quiet"'], "receiver": "firing-only", "group_by": ["..."]},
                {"matchers": ['team="muted"'], "receiver": "all", "mute_time_intervals": ["always"]},
            ]}
    hook = lambda name, **more: {"name": name, "webhook_configs": [{"url": sink.url(f"/{kind}/{name}"), **more}]}
    made = {"route": root, "receivers": [hook("all"), hook("db"), hook("firing-only", send_resolved=False)],
            "inhibit_rules": [{"source_matchers": ['severity="critical"'],
                               "target_matchers": ['severity="warning"'], "equal": ["job"]}],
            "time_intervals": [{"name": "always", "time_intervals": [{"times": [
                {"start_time": "00:00", "end_time": "24:00"}]}]}]}
    made.update(changes)
    return made


def told(arrivals, kind, begin):
    """{(receiver, group): [(seconds, content)]}, without what differs by nature."""
    groups = collections.defaultdict(list)
    for each in arrivals:
        if not each.path.startswith(f"/{kind}/"):
            continue
        body = json.loads(json.dumps(each.body))
        body.pop("externalURL")
        for one in body["alerts"]:
            if one["status"] == "firing":
                assert one["endsAt"] == "0001-01-01T00:00:00Z", one
            one["generatorURL"] = ""
        groups[body["receiver"], body["groupKey"]].append((each.at - begin, body))
    return groups


class Differential(unittest.TestCase):
    maxDiff = 4000
    repeat = "10s"

    def setUp(self):
        need_debian()

    def compare(self, scenario):
        with Sink() as sink, Alertmanager("gatehouse", config(sink, "gatehouse", self.repeat)) as ours, \
                Alertmanager("debian", config(sink, "debian", self.repeat)) as theirs, \
                Rules([ours, theirs]) as rules:
            begin = time.monotonic()
            scenario(rules, ours, theirs, sink)
            arrivals = list(sink.arrivals)
        found, wanted = told(arrivals, "gatehouse", begin), told(arrivals, "debian", begin)
        self.assertTrue(wanted)
        self.assertEqual(sorted(found), sorted(wanted))
        for group, expected in wanted.items():
            shown = lambda rows: [(round(at, 1), [(one["status"], one["labels"]) for one in body["alerts"]])
                                  for at, body in rows]
            self.assertEqual([body for _, body in found[group]], [body for _, body in expected],
                             f"{group}\nours:   {shown(found[group])}\ntheirs: {shown(expected)}")
            for (ours_at, _), (theirs_at, _) in zip(found[group], expected):
                self.assertLess(abs(ours_at - theirs_at), WINDOW_SECONDS, group)

    def at_both(self, ours, theirs, act):
        """The same at once, so that their beats stay together."""
        threads = [threading.Thread(target=act, args=[each]) for each in (ours, theirs)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    def test_groups_repeats_and_ends(self):
        def scenario(rules, ours, theirs, sink):
            rules.fire(alertname="A", job="x", instance="2")
            rules.fire(alertname="A", job="x", instance="1", severity="page")
            rules.fire(alertname="B", job="y", team="db")
            rules.fire(alertname="Q", job="z", team="quiet")
            rules.fire(alertname="M", job="m", team="muted")
            time.sleep(3)      # told at 1
            rules.fire(alertname="C", job="x")
            rules.resolve(alertname="B", job="y", team="db")
            time.sleep(4)      # told at 5
            rules.resolve(alertname="A", job="x", instance="2")
            rules.resolve(alertname="Q", job="z", team="quiet")
            time.sleep(14)     # told at 9; again at 21
            rules.resolve(alertname="C", job="x")
            rules.resolve(alertname="A", job="x", instance="1", severity="page")
            rules.fire(alertname="B", job="y", team="db")
            time.sleep(5)

        self.compare(scenario)

    def test_silences_and_inhibition(self):
        def scenario(rules, ours, theirs, sink):
            silences = {each: each.silence({"team": "db"}, 300) for each in (ours, theirs)}
            rules.fire(alertname="B", job="y", team="db")
            rules.fire(alertname="W", job="i", severity="warning")
            rules.fire(alertname="S", job="i", severity="critical")
            rules.fire(alertname="W", job="other", severity="warning")
            time.sleep(7)
            self.at_both(ours, theirs, lambda each: each.expire(silences[each]))
            rules.resolve(alertname="S", job="i", severity="critical")
            time.sleep(4)      # told at 9; what is silenced now would be told again at 13
            self.at_both(ours, theirs, lambda each: each.silence({"job": "other"}, 300))
            time.sleep(4)
            rules.resolve(alertname="W", job="i", severity="warning")
            time.sleep(5)

        self.compare(scenario)

    def test_restarts_and_reloads(self):
        def scenario(rules, ours, theirs, sink):
            rules.fire(alertname="A", job="x")
            rules.fire(alertname="B", job="y", team="db")
            time.sleep(3)
            self.at_both(ours, theirs, lambda each: each.restart())
            time.sleep(3)
            rules.resolve(alertname="B", job="y", team="db")
            time.sleep(4)
            rules.fire(alertname="C", job="x")
            time.sleep(3)
            # Theirs begins its groups anew, ours go on: told by then, so that it cannot show.
            self.at_both(ours, theirs, lambda each: self.assertEqual(
                each.reload(config(sink, each.kind, self.repeat))[0], 200))
            time.sleep(1.5)
            rules.resolve(alertname="A", job="x")
            broken = config(sink, "x", self.repeat, route={"receiver": "nobody"})
            self.at_both(ours, theirs, lambda each: self.assertNotEqual(each.reload(broken)[0], 200))
            time.sleep(6)

        # Without repeats: a restart and a reload move the beat, and with it the moment of one.
        self.repeat = "1h"
        self.compare(scenario)


if __name__ == "__main__":
    unittest.main()
