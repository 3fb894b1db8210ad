"""Mails through a real SMTP server (aiosmtpd), with STARTTLS, TLS from the first byte, and
each way to log in."""
import collections
import email
import email.policy
import json
import logging
import pathlib
import ssl
import subprocess
import tempfile
import threading
import unittest

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword, SMTP

import alert_programs

logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # of a handshake that is to fail
Outcome = collections.namedtuple("Outcome", "delivered retry status error")


class Mailbox:
    """Keeps what it is sent. `refuse` is answered to that many mails first."""

    def __init__(self):
        self.mails, self.logins, self.refuse, self.lock = [], [], 0, threading.Lock()

    async def handle_DATA(self, server, session, envelope):
        with self.lock:
            if self.refuse > 0:
                self.refuse -= 1
                return "451 not now"
            self.mails.append((session, envelope))
        return "250 taken"

    def authenticate(self, server, session, envelope, mechanism, data):
        with self.lock:
            self.logins.append((mechanism, data))
        good = isinstance(data, LoginPassword) and data == LoginPassword(b"ada", b"p-word")
        return AuthResult(success=good, handled=False)

    def parsed(self):
        return [email.message_from_bytes(envelope.content, policy=email.policy.default)
                for _, envelope in self.mails]


class Server(Controller):
    def __init__(self, box, **options):
        self.smtp_options = options
        super().__init__(box, hostname="127.0.0.1", port=0, ready_timeout=10,
                         ssl_context=options.pop("implicit", None))

    def factory(self):
        return SMTP(self.handler, **self.smtp_options)

    def _trigger_server(self):
        # The port is the kernel's choice; the controller asks the one it was told.
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class Mails(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        alert_programs.need_units()
        cls.folder = tempfile.TemporaryDirectory(prefix="gatehouse-mail-")
        place = pathlib.Path(cls.folder.name)
        cls.certificate = str(place / "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=mail.test", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", str(place / "key.pem"), "-out", cls.certificate],
                       check=True, capture_output=True)
        cls.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cls.tls.load_cert_chain(cls.certificate, str(place / "key.pem"))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def sent(self, options, receiver, box=None, notification="firing"):
        """What a server with these options gets of one notification, and how the sender reads it."""
        box = box or Mailbox()
        server = Server(box, **options)
        server.start()
        self.addCleanup(server.stop)
        config = {"smarthost": f"127.0.0.1:{server.port}", "from": "Watch <watch@example.org>",
                  "to": "oncall@example.org", **receiver}
        out = subprocess.run([alert_programs.UNITS, "--gtest_filter=SenderTest.MailToARealServer"],
                             check=True, text=True, capture_output=True, timeout=60,
                             env={"GATEHOUSE_TEST_MAIL": json.dumps(config),
                                  "GATEHOUSE_TEST_NOTIFICATION": notification}).stdout
        line = next(line for line in out.splitlines() if line.startswith("outcome "))
        _, delivered, retry, status, error = line.split(" ", 4)
        return box, Outcome(delivered == "1", retry == "1", int(status), error)

    def secure(self):
        return {"tls_config": {"ca_file": self.certificate}}

    def test_starttls_and_plain(self):
        box = Mailbox()
        _, outcome = self.sent(
            {"tls_context": self.tls, "require_starttls": True, "authenticator": box.authenticate,
             "auth_required": True, "auth_exclude_mechanism": ["LOGIN"]},
            {**self.secure(), "auth_username": "ada", "auth_password": "p-word",
             "headers": {"X-Team": "{{ .GroupLabels.alertname }}"}, "text": "{{ .Status }}: é\n.\n..\n",
             "html": "<p>{{ .Status }}</p>" + "x" * 3000}, box)
        self.assertTrue(outcome.delivered, outcome)
        session, envelope = box.mails[0]
        self.assertIsNotNone(session.ssl)
        self.assertEqual(envelope.mail_from, "watch@example.org")
        self.assertEqual(envelope.rcpt_tos, ["oncall@example.org"])
        self.assertEqual(box.logins[0][0], "PLAIN")
        mail = box.parsed()[0]
        self.assertEqual(mail["Subject"], "[FIRING:1] HighLatency page (a:9090 api)")
        self.assertEqual(str(mail["From"]), "Watch <watch@example.org>")
        self.assertEqual(mail["X-Team"], "HighLatency")
        self.assertEqual(mail.get_content_type(), "multipart/alternative")
        text, html = mail.iter_parts()
        self.assertEqual(text.get_content().splitlines(), ["firing: é", ".", ".."])
        self.assertEqual(html.get_content_type(), "text/html")
        self.assertTrue(html.get_content().rstrip().endswith("x" * 3000))
        self.assertIn("@example.org>", mail["Message-Id"])
        self.assertEqual(mail.defects, [])

    def test_tls_from_the_first_byte_and_login(self):
        box = Mailbox()
        _, outcome = self.sent(
            {"implicit": self.tls, "authenticator": box.authenticate, "auth_require_tls": False,
             "auth_exclude_mechanism": ["PLAIN"]},
            {**self.secure(), "force_implicit_tls": True, "auth_username": "ada",
             "auth_password": "p-word", "html": "", "text": "x"}, box)
        self.assertTrue(outcome.delivered, outcome)
        self.assertEqual(box.logins[0][0], "LOGIN")
        self.assertEqual([part.get_content_type() for part in box.parsed()[0].iter_parts()], ["text/plain"])

    def test_a_login_that_is_refused(self):
        box = Mailbox()
        _, outcome = self.sent({"authenticator": box.authenticate, "auth_require_tls": False},
                               {"require_tls": False, "auth_username": "ada", "auth_password": "wrong-word"}, box)
        self.assertEqual((outcome.delivered, outcome.retry, outcome.status), (False, True, 535))
        self.assertNotIn("wrong-word", outcome.error)
        self.assertEqual(box.mails, [])

    def test_without_tls(self):
        box, outcome = self.sent({}, {"require_tls": False, "to": "a@example.org, Bea <b@example.org>"})
        self.assertTrue(outcome.delivered, outcome)
        self.assertEqual(box.mails[0][1].rcpt_tos, ["a@example.org", "b@example.org"])

    def test_tls_is_asked_for(self):
        box, outcome = self.sent({}, {})
        self.assertIn("does not advertise the STARTTLS", outcome.error)
        self.assertEqual(box.mails, [])

    def test_a_certificate_that_nobody_vouches_for(self):
        box, outcome = self.sent({"tls_context": self.tls}, {})
        self.assertFalse(outcome.delivered)
        self.assertIn("certificate", outcome.error)
        self.assertEqual(box.mails, [])

    def test_refused_for_now(self):
        box = Mailbox()
        box.refuse = 1
        _, outcome = self.sent({}, {"require_tls": False}, box)
        self.assertEqual((outcome.delivered, outcome.retry, outcome.status), (False, True, 451))

    def test_labels_cannot_make_headers_or_end_the_mail(self):
        box, outcome = self.sent(
            {}, {"require_tls": False, "headers": {"X-Name": "{{ .GroupLabels.alertname }}"},
                 "text": "{{ range .Alerts }}{{ .Labels.instance }}{{ .Annotations.summary }}{{ end }}"},
            notification="hostile")
        self.assertTrue(outcome.delivered, outcome)
        self.assertEqual(len(box.mails), 1)
        self.assertEqual(box.mails[0][1].rcpt_tos, ["oncall@example.org"])
        mail = box.parsed()[0]
        self.assertIsNone(mail["Bcc"])
        self.assertIn("Bcc: other@example.org", mail["X-Name"])
        self.assertEqual(len(list(mail.iter_parts())), 2)


if __name__ == "__main__":
    unittest.main()
