"""Whether a server can listen where it is told to."""

from __future__ import annotations

import errno
import socket

from finesweep.errors import FinesweepError, TrackingError


def check_port(host: str, port: int, *, error: type[FinesweepError] = TrackingError) -> None:
    """Raise ``error`` unless a server can listen on ``host:port`` now.

    A server would find out only after seconds of loading, and say it in the middle of a traceback.
    """
    if not 0 < port < 65536:
        raise error(f"expected a port between 1 and 65535, received {port}")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            # As servers do: a port whose last connection is still winding down counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as exc:
        raise error(
            f"cannot listen on {host}:{port} ({exc.strerror or exc}); {_advice(exc)}"
        ) from exc


def _advice(exc: OSError) -> str:
    if isinstance(exc, socket.gaierror) or exc.errno == errno.EADDRNOTAVAIL:
        return "name an address of this machine with --host, such as 127.0.0.1 or 0.0.0.0"
    if exc.errno == errno.EACCES:
        return "ports below 1024 are the system's: choose another with --port"
    return "is another server running there? Choose another with --port"


def shown_host(host: str) -> str:
    """The host to put into a link: an address to listen on everywhere is none to go to."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host
