"""A line from the first process of a run to each other one, over which ends are told at once."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

CONNECT_SECONDS = 60.0  # seconds for all to connect
ANSWER = 3.0  # seconds for an answer
ENDED, SIGNALLED, HAS_FAILED, STOP, YES, NO = b"E", b"I", b"F", b"S", b"Y", b"N"  # the words sent


class Lifeline:
    """Notices within a second that another process of a run was killed, failed or ended.

    Each process but the first holds one connection to the first. The system closes it when a
    process ends in any way, so that no pulse is needed and a long computation is not taken for an
    end. What closes without a word was killed.

    Args:
        rank: the number of this process.
        size: the number of processes.
        on_end: called once, from a thread, when another process was killed or failed.

    Attributes:
        lost: what is said of the process that was killed; empty if none was.
        others_word: whether another process failed, and says why.
        signalled: whether another process ended by a signal that it received.
    """

    def __init__(self, rank: int, size: int, on_end: Callable[[], None]):
        self.rank, self.size, self.on_end = rank, size, on_end
        self.lost, self.others_word, self.signalled = "", False, False
        self._lines: dict[int, socket.socket] = {}
        self._over = threading.Event()
        self._lock, self._is_told = threading.Lock(), False
        self._answer: bool | None = None
        self._answered = threading.Event()

    def connect(self, gather: Callable[[Any], list[Any]], address: str) -> None:
        """Connects every process with the first.

        Args:
            gather: gathers a value of each process.
            address: where the first process is.

        Raises:
            OSError: if a process cannot be reached.
        """
        listener, own = None, None
        if self.rank == 0:
            family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
            options: dict[str, Any] = {"dualstack_ipv6": family == socket.AF_INET6}
            listener = socket.create_server(("", 0), family=family, backlog=self.size, **options)
            own = (listener.getsockname()[1], secrets.token_bytes(16))
        port, token = gather(own)[0]
        if listener is None:
            line = socket.create_connection((address, port), timeout=CONNECT_SECONDS)
            line.sendall(token + self.rank.to_bytes(4, "big"))
            self._lines[0] = line
        else:
            with listener:
                self._accept(listener, token)
        for rank, line in self._lines.items():
            line.settimeout(None)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)):
                if option := getattr(socket, name, None):  # notices a machine that is gone
                    line.setsockopt(socket.IPPROTO_TCP, option, value)
            threading.Thread(target=self._listen, args=(rank, line), daemon=True).start()

    def may_tell(self) -> bool:
        """Returns whether this process, which failed, is the one that says why."""
        if self.rank == 0:
            first = self._claim()
            self._send_all(STOP)
            return first
        with suppress(OSError):
            self._lines[0].sendall(HAS_FAILED)
        self._answered.wait(ANSWER)
        return not self.others_word if self._answer is None else self._answer

    def speaks_for_lost(self) -> bool:
        """Returns whether this process says that another was killed: the first that is left."""
        return self.rank == 0 or (self.rank == 1 and 0 not in self._lines)

    def close(self, word: bytes = ENDED) -> None:
        """Sends the last word, and ends the connections."""
        self._over.set()
        self._send_all(word)
        for line in list(self._lines.values()):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def _accept(self, listener: socket.socket, token: bytes) -> None:
        listener.settimeout(CONNECT_SECONDS)
        while len(self._lines) < self.size - 1:
            line, _ = listener.accept()
            line.settimeout(CONNECT_SECONDS)
            hello = line.recv(20, socket.MSG_WAITALL)
            rank = int.from_bytes(hello[16:], "big")
            if secrets.compare_digest(hello[:16], token) and 0 < rank < self.size:
                self._lines[rank] = line
            else:  # somebody else's
                line.close()

    def _listen(self, rank: int, line: socket.socket) -> None:
        ended = False
        while not self._over.is_set():
            try:
                word = line.recv(1)
            except OSError:
                word = b""
            if word == b"":
                self._lines.pop(rank, None)
                if not ended:
                    self._lose(rank)
                return
            self._hear(word, line)
            ended = ended or word not in (YES, NO)

    def _lose(self, rank: int) -> None:
        self.lost = f"process {rank + 1} of {self.size} was killed or lost."
        self._answered.set()
        self._send_all(STOP)
        self._end()

    def _hear(self, word: bytes, line: socket.socket) -> None:
        if word in (YES, NO):
            self._answer = word == YES
            self._answered.set()
            return
        if word == HAS_FAILED:
            with suppress(OSError):
                line.sendall(YES if self._claim() else NO)
        self.signalled = self.signalled or word == SIGNALLED
        if word in (HAS_FAILED, STOP):
            self.others_word = True
            self._answered.set()
        if word != ENDED:
            self._send_all(STOP, but=line)
            self._end()

    def _claim(self) -> bool:
        with self._lock:
            first, self._is_told = not self._is_told, True
        return first

    def _end(self) -> None:
        if not self._over.is_set():
            self.on_end()

    def _send_all(self, word: bytes, but: socket.socket | None = None) -> None:
        for line in list(self._lines.values()):
            if line is not but:
                with suppress(OSError):
                    line.sendall(word)


def main_address() -> str:
    """Returns where the first process is; the process group has set it by now."""
    return os.environ.get("MASTER_ADDR", "127.0.0.1")
