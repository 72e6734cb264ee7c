"""A small shop that can be broken in the ways in which services break.

GET  /health         200, or 500 while it fails
GET  /work           does some work over a connection of its pool; slow while there is none left
GET  /metrics        which part of the latest requests failed, for Prometheus
POST /admin/reset-pool   gives every connection back
POST /break/pool     takes every connection and never gives it back
POST /break/pool-for-good   the same, and a reset does not help
POST /break/errors   fails, and says so in its log, until it is restarted
POST /break/memory   grows, without an end in sight
"""

import argparse
import collections
import datetime
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONNECTIONS = 4
WAIT_SECONDS = 0.5
GROWTH_BYTES = 4_000_000
MEMORY_BYTES_MAX = 400_000_000

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--log", required=True)
arguments = parser.parse_args()

lock = threading.Lock()
pool = threading.Semaphore(CONNECTIONS)
resettable = True
failing = False
latest = collections.deque(maxlen=5)
held = []


def say(level, text):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    with lock, open(arguments.log, "a", encoding="utf-8") as log:
        log.write(f"{now} {level} [{os.getpid()}] {text}\n")


def grow():
    while len(held) * GROWTH_BYTES < MEMORY_BYTES_MAX:
        held.append(bytearray(os.urandom(1) * GROWTH_BYTES))
        time.sleep(0.1)


def leak():
    while pool.acquire(blocking=False):
        pass


class Shop(BaseHTTPRequestHandler):
    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/metrics":
            self.answer(200, f"shop_error_ratio {sum(latest) / max(1, len(latest))}\n")
            return
        latest.append(failing)
        if failing:
            say("ERROR", "cannot take payment: session store is corrupt")
            self.answer(500, "failed\n")
        elif self.path == "/work":
            # Without a connection the work is done over an emergency one, which takes its time.
            if pool.acquire(timeout=WAIT_SECONDS):
                pool.release()
            self.answer(200, "done\n")
        else:
            self.answer(200, "fine\n")

    def do_POST(self):
        global pool, resettable, failing
        if self.path == "/admin/reset-pool":
            if resettable:
                pool = threading.Semaphore(CONNECTIONS)
        elif self.path == "/break/pool":
            leak()
        elif self.path == "/break/pool-for-good":
            resettable = False
            leak()
        elif self.path == "/break/errors":
            failing = True
        elif self.path == "/break/memory":
            threading.Thread(target=grow, daemon=True).start()
        else:
            self.answer(404, "no such thing\n")
            return
        say("INFO", self.path)
        self.answer(200, "done\n")

    def log_message(self, *_):
        pass


def end(*_):
    say("INFO", "SIGTERM: closing the shop")
    sys.exit(0)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


signal.signal(signal.SIGTERM, end)
say("INFO", "open")
Server(("127.0.0.1", arguments.port), Shop).serve_forever()
