"""A TCP proxy of a test: one sidecar's way to the API server, which can be cut, or stopped with all that is on it."""

import contextlib
import socket
import threading
from typing import Self

_CHUNK = 65536


class Proxy:
    """Listens on a free port of 127.0.0.1 and passes bytes on to ``port``. Used as a context manager.

    ``stop`` holds back every byte, in both directions, and ``resume`` delivers it: a request held back arrives late,
    also when whoever sent it has given up long since. ``cut`` closes what is open and refuses what comes.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._flows = threading.Event()
        self._flows.set()
        self._is_cut = False
        self._closing = False
        self._pieces_left: int | None = None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        # wakes up whoever waits in accept; closing alone does not
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._close_all()
        self._flows.set()
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        self._flows.clear()

    def stop_after(self, pieces: int) -> None:
        """As ``stop``, once so many more pieces have come from the client; a request is one or two."""
        with self._lock:
            self._pieces_left = pieces

    @property
    def stopped(self) -> bool:
        return not self._flows.is_set()

    def resume(self) -> None:
        """Everything as before: what was held back is delivered, and new connections are taken."""
        self._is_cut = False
        self._pieces_left = None
        self._flows.set()

    def cut(self) -> None:
        """What is held back is lost."""
        self._is_cut = True
        self._close_all()
        self._flows.set()

    def _close_all(self) -> None:
        with self._lock:
            ends, self._open = self._open, set()
        for end in ends:
            # wakes up whoever reads or writes it
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut or self._closing:
                client.close()
                continue
            self._spawn(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        self._flows.wait()
        if self._closing:
            client.close()
            return
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        with self._lock:
            self._open |= {client, server}
        back = threading.Thread(target=self._pump, args=(server, client), kwargs={"counted": False}, daemon=True)
        back.start()
        self._pump(client, server, counted=True)
        back.join()  # until the API server ends it, or the proxy does
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def _pump(self, source: socket.socket, sink: socket.socket, *, counted: bool) -> None:
        """One direction, until its source ends; what was read before that is still delivered."""
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if counted:
                    self._count()
                self._flows.wait()
                sink.sendall(data)
        if counted:
            # the API server drops a request whose sender has gone: ours only goes when the proxy does
            return
        self._flows.wait()
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _count(self) -> None:
        with self._lock:
            if self._pieces_left == 0:
                self._flows.clear()
            elif self._pieces_left is not None:
                self._pieces_left -= 1

    def _spawn(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()
