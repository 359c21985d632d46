"""A server between a client and another server, which answers some requests badly: throttling, resets, absence."""

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Fate = Literal["pass", "slow_down", "reset"]
SLOW_DOWN = b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>'
OF_THIS_HOP = {"connection", "transfer-encoding", "keep-alive"}


class FaultyProxy:
    """A proxy on loopback that passes requests on to an endpoint; `fate(number)` decides the fate of each."""

    def __init__(self, endpoint: str, fate: Callable[[int], Fate]) -> None:
        target = urlsplit(endpoint).netloc
        counted = threading.Lock()
        self.fates: list[Fate] = []
        self.num_sent = 0  # bytes of answers, without headers
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with counted:
                    number = len(proxy.fates)
                    proxy.fates.append("pass")
                decided = proxy.fates[number] = fate(number)
                if decided == "reset":
                    self.close_connection = True
                    self.connection.close()
                    return
                if decided == "slow_down":
                    self._answer(503, [("Content-Type", "application/xml")], SLOW_DOWN)
                    return
                connection = http.client.HTTPConnection(target, timeout=60)
                try:
                    connection.request(self.command, self.path, body, dict(self.headers))
                    answer = connection.getresponse()
                    self._answer(answer.status, answer.getheaders(), answer.read(), answer.getheader("Content-Length"))
                finally:
                    connection.close()

            def _answer(
                self, status: int, headers: list[tuple[str, str]], body: bytes, length: str | None = None
            ) -> None:
                self.send_response_only(status)
                for name, value in headers:
                    if name.lower() not in OF_THIS_HOP | {"content-length"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", length or str(len(body)))  # of HEAD: the length that GET would have
                self.end_headers()
                if self.command != "HEAD":
                    with counted:
                        proxy.num_sent += len(body)
                    self.wfile.write(body)

            def log_message(self, format: str, *values: object) -> None:
                pass

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = pass_on  # noqa: N815  # names of http.server

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
