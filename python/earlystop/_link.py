"""A connection to the daemon that never waits."""

import json
import os
import select
import socket
import struct
import time
from typing import Any, Dict, Iterator, List, Mapping

UNSENT = 256 * 1024
"""Bytes kept for a daemon that does not read at the moment; lines beyond are left out."""


def sockets(environ: Mapping[str, str] = os.environ) -> List[str]:
    """Where a daemon may listen, in the order in which they are tried."""
    uid = os.geteuid()
    if environ.get("XDG_RUNTIME_DIR", "").startswith("/"):
        runtime = os.path.join(environ["XDG_RUNTIME_DIR"], "earlystop")
    else:
        runtime = "/run/earlystop" if uid == 0 else "/tmp/earlystop-%d" % uid
    found = [os.path.join(runtime, "earlystop.sock"), "/run/earlystop/earlystop.sock"]
    if environ.get("EARLYSTOP_SOCKET"):
        found.insert(0, environ["EARLYSTOP_SOCKET"])
    return found


class Link:
    """One connection. Every method comes back at once; `broken` says that the daemon is gone."""

    def __init__(self, path: str) -> None:
        """Connects. Raises OSError if nobody is there, or somebody who is neither this user nor root."""
        self.broken = False
        self._unsent = b""
        self._torn = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            self._socket.connect(path)
            size = struct.calcsize("3i")
            _, uid, _ = struct.unpack("3i", self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
            if uid not in (0, os.geteuid()):
                raise PermissionError("the server at %s belongs to user %d" % (path, uid))
        except BaseException:
            self._socket.close()
            raise

    def send(self, line: Dict[str, Any]) -> bool:
        """Sends a line, or as much as is taken now and the rest later. Returns whether the line was accepted."""
        self._push()
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        if self.broken or len(self._unsent) + len(data) > UNSENT:
            return False
        self._unsent += data
        self._push()
        return True

    def _push(self) -> None:
        while self._unsent and not self.broken:
            try:
                sent = self._socket.send(self._unsent, socket.MSG_NOSIGNAL)
                self._unsent = self._unsent[sent:]
            except BlockingIOError:
                return
            except OSError:
                self.broken = True

    def receive(self) -> Iterator[Dict[str, Any]]:
        """The daemon's lines that have come."""
        while not self.broken:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.broken = True
            *lines, self._torn = (self._torn + data).split(b"\n")
            for line in lines:
                try:
                    answer = json.loads(line)
                except ValueError:
                    continue
                if isinstance(answer, dict):
                    yield answer

    def wait(self, seconds: float, to_write: bool = False) -> None:
        """Waits until there is something to read (or room to write), for that long at most."""
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT if to_write else select.POLLIN)
        poll.poll(max(0, int(seconds * 1000)))

    def finish(self, seconds: float) -> None:
        """Writes the rest; the only method that may wait, and for that long at most."""
        until = time.monotonic() + seconds
        self._push()
        while self._unsent and not self.broken and time.monotonic() < until:
            self.wait(until - time.monotonic(), to_write=True)
            self._push()

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()
