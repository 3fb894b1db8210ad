"""Debian's amtool, the same commands, against Debian's Alertmanager, `gatehouse alertmanager`
and the main port of `gatehouse serve` with a key: what it prints is the same, but for ids
and times. And the API's answers and refusals beside Debian's, word for word.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import alert_programs as programs
import gate as e2e

AMTOOL = shutil.which("amtool")
ROUTES = {
    "global": {"resolve_timeout": "10m"},
    "route": {"receiver": "everyone", "group_by": ["alertname"], "group_wait": "1h", "routes": [
        {"matchers": ['severity="page"'], "receiver": "on-call", "continue": True},
        {"matchers": ['team=~"db|storage"'], "receiver": "storage"}]},
    "receivers": [{"name": "everyone"}, {"name": "on-call"},
                  {"name": "storage", "webhook_configs": [{"url": "http://127.0.0.1:9/hook"}]}],
}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)")


def amtool(url, *words, http_config=None, check=True, **more):
    """What it prints; its exit status where `check` is false as well."""
    flags = [f"--alertmanager.url={url}", "--no-version-check"]
    if http_config is not None:
        flags.append(f"--http.config.file={http_config}")
    done = subprocess.run([AMTOOL, *flags, *words], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "TZ": "UTC", "HOME": "/nonexistent"}, **more)
    if check:
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout
    return done.returncode, done.stdout + done.stderr


def alike(text):
    """Without what differs from run to run."""
    return re.sub(r" +", " ", TIME.sub("TIME", UUID.sub("ID", text)))


def story(url, folder, http_config=None):
    """Every command once; (what was asked, what was printed) of each."""
    told = []

    def say(*words, **more):
        printed = amtool(url, *words, http_config=http_config, **more)
        told.append((alike(" ".join(words)), alike(printed)))
        return printed.strip()

    say("alert", "add", "alertname=Down", "severity=page", "team=db", "--annotation=summary=it is down",
        "--generator-url=http://example.org/graph")
    say("alert", "add", "Slow", "severity=warning", "team=web", "--start=2026-01-02T03:04:05Z")
    say("alert", "query")
    say("alert", "query", "-o", "simple", "severity=page")
    say("alert", "query", "severity=~p.*", "team!=web", "-o", "extended")
    say("alert", "query", "alertname=Nothing")
    say("alert", "query", "--receiver=storage")
    first = say("silence", "add", "--author=ada", "--comment=being moved", "--duration=2h", "alertname=Down")
    say("silence", "add", "--author=bo", "--comment=noise", "--duration=1h", "severity=~warn.*", "team!=db")
    say("silence", "query")
    say("silence", "query", "-o", "extended", "alertname=Down")
    say("silence", "query", "--quiet", "--created-by=ada")
    say("alert", "query", "--silenced")
    say("alert", "query")
    say("silence", "update", "--duration=5h", "--comment=takes longer", first)
    kept = say("silence", "query", "-o", "json", "alertname=Down")
    assert json.loads(kept)[0]["comment"] == "takes longer", kept
    say("silence", "expire", first)
    say("silence", "query", "--expired", "alertname=Down")
    exported = folder / "silences.json"
    exported.write_text(json.dumps([{**each, "id": ""} for each in json.loads(kept)]))
    say("silence", "import", str(exported))
    say("silence", "query", "alertname=Down")
    everything = say("silence", "query", "--quiet").split()
    say("silence", "expire", *everything)
    say("silence", "query")
    say("config", "routes", "show")
    say("config", "routes", "test", "severity=page", "team=db")
    say("config", "routes", "test", "--verify.receivers=everyone", "severity=warning")
    say("cluster", "show")
    return told


@unittest.skipIf(AMTOOL is None, "Debian's amtool is not installed")
class Amtool(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        programs.need_debian()
        cls.folder = tempfile.TemporaryDirectory(prefix="gatehouse-amtool-")
        cls.place = pathlib.Path(cls.folder.name)
        with programs.Alertmanager("debian", ROUTES) as debian:
            cls.told = story(f"http://127.0.0.1:{debian.port}", cls.place)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def compare(self, told):
        self.assertEqual([asked for asked, _ in told], [asked for asked, _ in self.told])
        for (asked, printed), (_, wanted) in zip(told, self.told):
            if asked.startswith("silence update"):
                continue  # its table has the end, and columns as wide as it
            self.assertEqual(printed, wanted, asked)

    def test_every_command_in_alertmanagers_place(self):
        with programs.Alertmanager("gatehouse", ROUTES) as program:
            url = f"http://127.0.0.1:{program.port}"
            self.compare(story(url, self.place))
            shown = amtool(url, "config", "show")
            self.assertIn("on-call", shown)
            file = program.place / "alertmanager.yml"
            checked = amtool(url, "check-config", str(file))
            self.assertIn("SUCCESS", checked)
            ours = subprocess.run([programs.GATEHOUSE, "check", "alertmanager", file], capture_output=True, text=True)
            self.assertEqual((ours.returncode, ours.stderr), (0, ""), ours.stdout)
            template = program.place / "a.tmpl"
            template.write_text('{{ define "mine" }}{{ .Status | toUpper }}{{ end }}')
            rendered = amtool(url, "template", "render", f"--template.glob={template}",
                              '--template.text={{ template "mine" . }}')
            self.assertEqual(rendered.strip(), "RESOLVED" if "RESOLVED" in rendered else "FIRING")

    def test_every_command_on_the_main_port_with_a_key(self):
        config = self.place / "main.yml"
        config.write_text(json.dumps(ROUTES))
        gate = e2e.Gate(None, {"alerts": {"alertmanager_config": str(config)}},
                        keys={"operator": ["--role", "operator"], "viewer": ["--role", "viewer"]})
        try:
            http = self.place / "http.yml"
            http.write_text(json.dumps({"authorization": {"credentials": gate.keys["operator"]}}))
            self.compare(story(gate.url, self.place, http))
            status, said = amtool(gate.url, "alert", "query", check=False)
            self.assertNotEqual(status, 0, said)
            http.write_text(json.dumps({"basic_auth": {"username": "any", "password": gate.keys["viewer"]}}))
            amtool(gate.url, "alert", "query", http_config=http)
            status, said = amtool(gate.url, "silence", "add", "-c", "x", "a=b", http_config=http, check=False)
            self.assertNotEqual(status, 0)
            self.assertIn("403", said)
        finally:
            gate.close()


ASKED = [
    ("GET", "/api/v2/receivers", None), ("GET", "/api/v2/silences", None), ("GET", "/api/v2/alerts", None),
    ("GET", "/api/v2/alerts/groups", None), ("GET", "/api/v2/alerts?filter=foo", None),
    ("GET", "/api/v2/alerts?active=foo", None), ("GET", "/api/v2/silences?filter=foo", None),
    ("GET", "/api/v2/nothing", None), ("PUT", "/api/v2/alerts", None), ("GET", "/api/v2/silence/abc", None),
    ("GET", "/api/v2/silence/6ba7b810-9dad-11d1-80b4-00c04fd430c8", None),
    ("POST", "/api/v2/alerts", [{"annotations": {}}]), ("POST", "/api/v2/alerts", [{"labels": {}}]),
    ("POST", "/api/v2/alerts", {"a": 1}), ("POST", "/api/v2/alerts", [{"labels": {"a": "b"}, "startsAt": "bad"}]),
    ("POST", "/api/v2/alerts", [{"labels": {"a": "b"}, "startsAt": "2026-01-02T00:00:00Z",
                                 "endsAt": "2026-01-01T00:00:00Z"}]),
    ("POST", "/api/v2/silences", {}),
    *[("POST", "/api/v2/silences", {"matchers": matchers, "startsAt": starts, "endsAt": ends, "createdBy": "ada",
                                    "comment": "x", **more})
      for matchers, starts, ends, more in [
          ([{"name": "a", "value": "b", "isRegex": False}], "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", {}),
          ([{"name": "a", "value": "b", "isRegex": False}], "2026-01-03T00:00:00Z", "2026-01-02T00:00:00Z", {}),
          ([{"name": "a", "value": "", "isRegex": False}], "2026-01-03T00:00:00Z", "2136-01-02T00:00:00Z", {}),
          ([{"name": "a", "value": ".*", "isRegex": True}], "2026-01-03T00:00:00Z", "2136-01-02T00:00:00Z", {}),
          ([{"name": "a", "isRegex": False}], "2026-01-03T00:00:00Z", "2136-01-02T00:00:00Z", {}),
          ([{"name": "a", "value": "b"}], "2026-01-03T00:00:00Z", "2136-01-02T00:00:00Z", {}),
          ([], "2026-01-03T00:00:00Z", "2136-01-02T00:00:00Z", {}),
          ([{"name": "a", "value": "b", "isRegex": False}], "2026-01-03T00:00:00Z", "2136-01-02T00:00:00Z",
           {"id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"})]],
]


class Api(unittest.TestCase):
    maxDiff = None

    def test_answers_and_refusals_are_debians(self):
        programs.need_debian()
        with programs.Alertmanager("debian", ROUTES) as debian, programs.Alertmanager("gatehouse", ROUTES) as ours:
            for method, path, body in ASKED:
                wanted, got = (each.ask(method, path, body) for each in (debian, ours))
                self.assertEqual(got, wanted, (method, path, body))

    def test_alerts_and_silences_have_debians_shape(self):
        programs.need_debian()
        # What newer ones than Debian's 0.25 give as well.
        newer = {"mutedBy", "annotations"}

        def shape(value):
            if isinstance(value, dict):
                return {name: shape(each) for name, each in sorted(value.items()) if name not in newer}
            if isinstance(value, list):
                return [shape(each) for each in value]
            return alike(value) if isinstance(value, str) else value

        seen = []
        for kind in ("debian", "gatehouse"):
            with programs.Alertmanager(kind, ROUTES) as program:
                program.post([{"labels": {"alertname": "A", "severity": "page", "empty": ""},
                               "annotations": {"s": "<t>"}, "generatorURL": "http://example.org/"},
                              {"labels": {"alertname": "B", "team": "db"}}])
                silence = program.silence({"alertname": "A"}, 600)
                program.ask("GET", "/api/v2/alerts")
                seen.append({path: shape(program.get(path)) for path in (
                    "/api/v2/alerts", "/api/v2/alerts?silenced=false", "/api/v2/alerts?receiver=stor.*",
                    "/api/v2/alerts?filter=alertname%3DB", "/api/v2/silences", f"/api/v2/silence/{silence}",
                    "/api/v2/receivers")})
                groups = program.get("/api/v2/alerts/groups")
                seen[-1]["groups"] = sorted(
                    json.dumps([group["labels"], group["receiver"], [each["labels"] for each in group["alerts"]]])
                    for group in groups)
        for paths in seen:
            for path in [path for path in paths if "silence/" in path]:
                paths["one silence"] = paths.pop(path)
        self.assertEqual(seen[1], seen[0])

    def test_a_silence_of_too_much_asks_to_be_confirmed_on_the_main_port(self):
        gate = e2e.Gate(None, {"alerts": {"silence_confirmation": 0.5}},
                        keys={"operator": ["--role", "operator"], "viewer": ["--role", "viewer"]})
        try:
            alerts = [{"labels": {"alertname": "A", "n": str(n)}} for n in range(30)]
            self.assertEqual(gate.post("/api/v2/alerts", alerts, "viewer").status, 403)
            self.assertEqual(gate.post("/api/v2/alerts", alerts, "operator").status, 200)
            self.assertEqual(gate.post("/api/v2/alerts", alerts, None).status, 401)
            self.assertTrue(e2e.wait_until(lambda: len(gate.get("/api/v2/alerts", "viewer").json) == 30))
            silence = {"matchers": [{"name": "alertname", "value": "A", "isRegex": False}], "comment": "x",
                       "startsAt": programs.rfc3339(programs.time.time()),
                       "endsAt": programs.rfc3339(programs.time.time() + 600)}
            preview = gate.post("/api/v2/silences?preview=true", silence, "operator").json
            self.assertEqual((preview["live"], preview["hidden"], preview["needsConfirmation"]), (30, 30, True))
            refused = gate.post("/api/v2/silences", silence, "operator")
            self.assertEqual(refused.status, 409)
            self.assertIn("30 of 30", refused.json["message"])
            made = gate.post("/api/v2/silences?confirm=true", silence, "operator")
            self.assertEqual(made.status, 200, made)
            kept = gate.get(f"/api/v2/silence/{made.json['silenceID']}", "viewer").json
            self.assertEqual(kept["createdBy"], "operator")
            narrow = {**silence, "matchers": [{"name": "n", "value": "7", "isRegex": False}]}
            self.assertEqual(gate.post("/api/v2/silences", narrow, "operator").status, 200)
            self.assertEqual(gate.post("/api/v2/silences", narrow, "viewer").status, 403)
        finally:
            gate.close()
