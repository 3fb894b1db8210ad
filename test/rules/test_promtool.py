"""gatehouse check rules and gatehouse test rules beside Debian's promtool.

Both are asked about the same files; their verdicts agree, and so does what each says is wrong
with a unit test: which alerts and expressions, at which time. promtool 2.42 knows no
PrometheusRule objects (they are unwrapped for it), no labels and no query_offset of groups.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORPORA = pathlib.Path(os.environ.get("GATEHOUSE_CORPORA", ROOT.parent / "shared" / "corpora")) / "rules"
UNITS = ROOT / "test" / "rules" / "units"
PROMTOOL = shutil.which("promtool")


def program():
    if named := os.environ.get("GATEHOUSE_BUILD"):
        return pathlib.Path(named).resolve() / "gatehouse"
    return next((ROOT / "build" / preset / "gatehouse" for preset in ("release", "debug")
                 if (ROOT / "build" / preset / "gatehouse").exists()), ROOT / "build" / "release" / "gatehouse")


def run(*words):
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=140)
    return done.returncode, done.stdout + done.stderr


def found(output):
    """What failed of unit tests: (test, what, time)."""
    alerts = re.findall(r"(?:name: ([^\n]*),\s+)?alertname: *([^,]+), time: *([^,\s]+)", output)
    expressions = re.findall(r"expr: (\"[^\n]*\"), time: *([^,\s]+),", output)
    return ({(name.strip(), what, time) for name, what, time in alerts}, set(expressions))


def got_alerts(output):
    """The alerts that were found where others were expected, without their layout."""
    return re.findall(r"Labels:(\{.*?\})\s*Annotations:(\{.*?\})\s", output)


def unwrapped(path, folder):
    """The groups of a PrometheusRule object as a rule file of Prometheus's."""
    lines = path.read_text().splitlines()
    begin = next(i for i, line in enumerate(lines) if re.fullmatch(r" *groups:", line))
    indent = len(lines[begin]) - len(lines[begin].lstrip())
    body = []
    for line in lines[begin:]:
        if line.strip() and len(line) - len(line.lstrip()) < indent:
            break
        body.append(line[indent:])
    plain = pathlib.Path(folder) / path.name
    plain.write_text("\n".join(body) + "\n")
    return plain


@unittest.skipUnless(PROMTOOL, "promtool is not installed")
class BesidePromtool(unittest.TestCase):
    def test_public_rule_files(self):
        if not CORPORA.is_dir():
            print(f"skipped: no rule files at {CORPORA} (set GATEHOUSE_CORPORA)")
            self.skipTest("no rule files")
        paths = sorted(path for path in CORPORA.rglob("*") if path.suffix in (".yml", ".yaml"))
        status, ours = run(program(), "check", "rules", *paths)
        self.assertEqual(status, 0, ours)
        counts = dict(re.findall(r"Checking (\S+)\n  SUCCESS: (\d+) rules found", ours))
        self.assertEqual(len(counts), len(paths))
        differences = []
        with tempfile.TemporaryDirectory(prefix="gatehouse-rules-") as folder:
            plain = {path: unwrapped(path, folder) if "kind: PrometheusRule" in path.read_text() else path
                     for path in paths}
            _, theirs = run(PROMTOOL, "check", "rules", "--lint=none", *plain.values())
            their_counts = dict(re.findall(r"Checking (\S+)\n  SUCCESS: (\d+) rules found", theirs))
            for path, place in plain.items():
                if counts[str(path)] != their_counts.get(str(place)):
                    differences.append(f"{path.name}: {counts[str(path)]}, {their_counts.get(str(place))}")
        self.assertEqual(differences, [])
        print(f"{len(paths)} public rule files, {sum(map(int, counts.values()))} rules: promtool agrees on each")

    def test_refused_files(self):
        """What Prometheus refuses is refused, and what it takes is taken."""
        agreed = 0
        for path in sorted((ROOT / "test" / "rules" / "files").glob("*.yaml")):
            if path.stem.startswith("kubernetes") or "Prometheus 3" in path.read_text():
                continue
            status, ours = run(program(), "check", "rules", path)
            their_status, theirs = run(PROMTOOL, "check", "rules", path)
            self.assertEqual(status == 0, their_status == 0, f"{path}\n{ours}\n{theirs}")
            agreed += 1
        self.assertGreater(agreed, 8)

    def test_unit_tests(self):
        for path in [ROOT / "rules" / "ai_test.yml", *sorted(UNITS.glob("passes*.yml")),
                     *sorted(UNITS.glob("fails*.yml"))]:
            with self.subTest(path.name):
                status, ours = run(program(), "test", "rules", path)
                their_status, theirs = run(PROMTOOL, "test", "rules", path)
                self.assertEqual(status, their_status, f"{ours}\n{theirs}")
                self.assertEqual(status == 0, not path.name.startswith("fails"), ours)
                self.assertEqual(found(ours), found(theirs), f"{ours}\n{theirs}")
                self.assertEqual(got_alerts(ours), got_alerts(theirs), f"{ours}\n{theirs}")


class Alone(unittest.TestCase):
    def test_what_promtool_does_not_know_yet(self):
        for path in sorted(UNITS.glob("newer_passes*.yml")):
            status, output = run(program(), "test", "rules", path)
            self.assertEqual(status, 0, output)

    def test_the_pack(self):
        status, output = run(program(), "check", "rules", "--lint-fatal", ROOT / "rules" / "ai.yml")
        self.assertEqual(status, 0, output)
        status, output = run(program(), "test", "rules", ROOT / "rules" / "ai_test.yml")
        self.assertEqual(status, 0, output)

    def test_patterns_statuses_and_runs(self):
        status, output = run(program(), "check", "rules", UNITS / "rules*.yml")
        self.assertEqual(status, 1, output)
        self.assertEqual(output.count("Checking "), 3)
        self.assertIn("rules_broken.yml:4:", output)
        status, output = run(program(), "check", "rules", "--lint-fatal", ROOT / "test/rules/files/lint_never.yaml")
        self.assertEqual(status, 3, output)
        status, output = run(program(), "check", "rules", "nowhere.yml")
        self.assertEqual(status, 1, output)
        status, output = run(program(), "test", "rules", "--run=^latches$", UNITS / "fails.yml")
        self.assertEqual(status, 1, output)
        self.assertNotIn("HalfAway", output)


if __name__ == "__main__":
    unittest.main()
