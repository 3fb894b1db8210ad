"""What is measured: the mock itself, Debian's nginx and HAProxy, and Gatehouse."""
import contextlib
import os
import shutil
import subprocess

from suite import programs

# Gatehouse's configuration and the arguments of its key, all in one place. Everything
# that is on by default (records, metrics, scanning) stays on unless "bare" turns it off.
GATEHOUSE_CONFIG = """\
server: {{listen: 127.0.0.1:{port}, threads: 1}}
storage: {{path: {directory}/data}}
upstreams:
  - {{name: mock, kind: openai, url: http://127.0.0.1:{mock_port}/v1, auth: {{api_key: sk-mock}}}}
models:
  - {{name: gpt-4o-mini, upstreams: [{{upstream: mock}}]}}
"""
GATEHOUSE_BARE = "access: {authenticate: false}\nrecords: {calls: false}\nlog: {level: warning}\n"
GATEHOUSE_EVERYTHING = ""
KEY_ARGUMENTS = ["--name", "bench", "--role", "caller"]
LIMIT_ARGUMENTS = ["--requests-per-minute", "1000000000", "--tokens-per-minute", "100000000000", "--concurrent", "100000", "--daily-usd", "1000000", "--monthly-usd", "1000000"]

NGINX_CONFIG = """\
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 16384; }}
http {{
  sendfile on;
  tcp_nopush on;
  types_hash_max_size 2048;
  default_type application/octet-stream;
  access_log {directory}/access.log;
  gzip on;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  keepalive_requests 1000000000;
  upstream mock {{
    server 127.0.0.1:{mock_port};
    keepalive 256;
    keepalive_requests 1000000000;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering {buffering};
      proxy_read_timeout 600s;
    }}
  }}
}}
"""

HAPROXY_CONFIG = """\
global
  nbthread 1
  maxconn 8000
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option dontlognull
  option abortonclose
  timeout connect 5s
  timeout client 600s
  timeout server 600s
frontend in
  bind 127.0.0.1:{port}
  default_backend mock
backend mock
  http-reuse always
  server mock 127.0.0.1:{mock_port}
"""


class Missing(Exception):
    """A subject that cannot be measured here, and why."""


class Subject:
    """A running subject: where to send calls, with which headers, and its program (None: direct)."""

    def __init__(self, port, program=None, headers=None):
        self.url = f"http://127.0.0.1:{port}/v1/chat/completions"
        self.program = program
        self.headers = headers or {}


@contextlib.contextmanager
def direct(mock):
    yield Subject(mock.port)


@contextlib.contextmanager
def started(command, directory, port):
    program = programs.Program(command, programs.PROXY_CORE, directory)
    try:
        program.wait_for_port(port)
        yield program
    finally:
        program.stop()


@contextlib.contextmanager
def nginx(mock, buffering="on"):
    with programs.work_directory() as directory:
        port = programs.free_port()
        config = directory / "nginx.conf"
        config.write_text(NGINX_CONFIG.format(directory=directory, port=port, mock_port=mock.port, buffering=buffering))
        binary = shutil.which("nginx") or "/usr/sbin/nginx"
        with started([binary, "-c", config, "-e", directory / "error.log"], directory, port) as program:
            yield Subject(port, program)


def nginx_unbuffered(mock):
    return nginx(mock, buffering="off")


@contextlib.contextmanager
def haproxy(mock):
    with programs.work_directory() as directory:
        port = programs.free_port()
        config = directory / "haproxy.cfg"
        config.write_text(HAPROXY_CONFIG.format(port=port, mock_port=mock.port))
        binary = shutil.which("haproxy") or "/usr/sbin/haproxy"
        with started([binary, "-db", "-f", config], directory, port) as program:
            yield Subject(port, program)


def require_gatehouse():
    binary = os.environ.get("GATEHOUSE_BINARY") or programs.BUILD / "gatehouse"
    done = subprocess.run([binary, "--help"], capture_output=True, text=True, check=False)
    if "serve" not in done.stdout + done.stderr:
        raise Missing("this build of gatehouse has no 'serve' yet")
    return binary


def make_key(binary, config, arguments):
    done = subprocess.run([binary, "key", "create", "--config", config, *arguments], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0 or not done.stdout.strip():
        raise Missing(f"gatehouse key create failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip().splitlines()[-1].split()[-1]


@contextlib.contextmanager
def gatehouse_with(mock, more_config, key_arguments, key_needed):
    binary = require_gatehouse()
    with programs.work_directory() as directory:
        port = programs.free_port()
        config = directory / "gatehouse.yaml"
        config.write_text(GATEHOUSE_CONFIG.format(directory=directory, port=port, mock_port=mock.port) + more_config)
        key = make_key(binary, config, key_arguments)
        with started([binary, "serve", "--config", config], directory, port) as program:
            subject = Subject(port, program)
            probe = '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'
            if key_needed or programs.status_of(subject.url, {}, probe) == 401:
                subject.headers = {"Authorization": f"Bearer {key}"}
            status = programs.status_of(subject.url, subject.headers, probe)
            if status != 200:
                raise Missing(f"a call through gatehouse is answered with {status}; its last line: {program.last_line()}")
            yield subject


def gatehouse_bare(mock):
    return gatehouse_with(mock, GATEHOUSE_BARE, KEY_ARGUMENTS, key_needed=False)


def gatehouse(mock):
    return gatehouse_with(mock, GATEHOUSE_EVERYTHING, KEY_ARGUMENTS + LIMIT_ARGUMENTS, key_needed=True)
