"""People and keys by the command line, beside a running server: a user with a role of their
own, a key that holds for some addresses only, a rotation with an overlap."""
import time
import unittest

from gate import GateCase, exchange, wait_until


# The server looks at its catalog every second. Asking meanwhile with a secret that it does
# not know yet would lock this address out.
REREAD_S = 2


class PeopleTest(GateCase):
    def sign_in(self, gate, link):
        token = link.strip().split("token=", 1)[1]
        return exchange(gate.port, "POST", "/api/v1/session", f'{{"token":"{token}"}}',
                        {"content-type": "application/json"})

    def signed_in(self, gate, user):
        """The session of a user, once the server has read the catalog again."""
        def attempt():
            reply = self.sign_in(gate, gate.run("login-link", "--user", user).stdout)
            return reply if reply.status == 200 else None
        return wait_until(attempt)

    def test_a_viewer_sees_and_changes_nothing(self):
        gate = self.gate()
        refused = gate.run("user", "create", "reader")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("there is no user yet", refused.stderr)

        self.assertEqual(self.signed_in(gate, "admin").json["role"], "admin")
        self.assertEqual(gate.run("user", "create", "reader", "--role", "viewer").returncode, 0)
        self.assertIn("reader", gate.run("user", "list").stdout)
        session = self.signed_in(gate, "reader")
        self.assertEqual(session.json["role"], "viewer")
        self.assertNotIn("keys.write", session.json["permissions"])
        cookie = session.headers["set-cookie"].split(";")[0]
        made = exchange(gate.port, "POST", "/api/v1/keys", '{"name":"x"}',
                        {"content-type": "application/json", "cookie": cookie,
                         "x-gatehouse-csrf": session.json["csrf"]})
        self.assertEqual(made.status, 403)

        self.assertEqual(gate.run("user", "remove", "reader").returncode, 0)
        self.assertEqual(gate.run("user", "remove", "admin").returncode, 1)  # the last admin stays

    def test_a_key_holds_for_its_addresses(self):
        gate = self.gate(keys={"elsewhere": ["--allow-from", "10.0.0.0/8"],
                               "here": ["--allow-from", "127.0.0.0/8"]})
        self.assert_error(gate.chat(key="elsewhere"), 403, "address_not_allowed")
        self.assertEqual(gate.chat(key="here").status, 200)

    def test_a_rotated_key_overlaps(self):
        gate = self.gate()
        old = gate.keys["caller"]
        done = gate.run("key", "rotate", old.split("_")[1], "--overlap", "1h")
        self.assertEqual(done.returncode, 0, done.stderr)
        gate.keys["new"] = done.stdout.strip()
        time.sleep(REREAD_S)
        self.assertEqual(gate.chat(key="new").status, 200)
        self.assertEqual(gate.chat(key="caller").status, 200)

        done = gate.run("key", "rotate", old.split("_")[1])
        gate.keys["newest"] = done.stdout.strip()
        time.sleep(REREAD_S)
        self.assertEqual(gate.chat(key="newest").status, 200)
        self.assertEqual(gate.chat(key="new").status, 401)


if __name__ == "__main__":
    unittest.main()
