"""Requests to addresses that users name: never to where only this server can reach.

A name is resolved once for each request, every address it has is checked, and the connection goes to a checked address:
what the name means a moment later does not matter. Redirects are not followed.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from urllib.parse import SplitResult, urlsplit

from utils.errors import FieldError, Refused
from utils.version import VERSION

RESOLVE_SECONDS = 3.0
CONNECT_SECONDS = 5.0
SECONDS = 10.0
"""How long a request may take, from the look-up of its name on and however slowly its answer drips in."""

LOOK_UPS = 16
"""How many names are looked up at a time; the system cannot be told to end one, and may take half a minute."""

_EMBEDDING = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "::/96", "::ffff:0:0:0/96")))
"""Networks whose addresses end in one of IPv4: of NAT64, "compatible", and translated."""

_SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "64:ff9b:1::/48", "3fff::/20", "5f00::/16")))
"""What is no public network though not every Python knows: a cloud answers at 192.0.0.192 with its own secrets."""

type _Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Outbound:
    """Send requests; `allow_private` lets them go to private and loopback addresses too."""

    def __init__(self, *, allow_private: bool = False) -> None:
        self._allow_private = allow_private
        self._look_ups = ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="look-up")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """Whom to trust; read when it is needed, for those who only check addresses never send."""
        return ssl.create_default_context()

    def check(self, url: str) -> None:
        """Make sure that `url` is one, and no address that may not be sent to; a name is looked up when it is sent to.

        :raises Refused: `address_refused` or `invalid_url`.
        """
        parts = _parts(url)
        host = (parts.hostname or "").rstrip(".")
        if host == "localhost" or host.endswith(".localhost"):
            self._checked(["127.0.0.1"])
        with contextlib.suppress(socket.gaierror, UnicodeError):  # it is a name
            self._checked(_addresses(parts, socket.AI_NUMERICHOST))

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send `body` and return the status of the answer, whose body is not read.

        :raises Refused: `address_refused`, `not_resolved`, or `not_reached` when no answer came.
        """
        deadline = time.monotonic() + SECONDS
        parts = _parts(url)
        host, port = parts.hostname or "", _port(parts)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            address = self._resolved(parts, min(RESOLVE_SECONDS, SECONDS))
            seconds = min(CONNECT_SECONDS, _left(deadline))
            with socket.create_connection((address, port), timeout=seconds) as plain:
                # time-outs of sockets are per packet: this ends the whole of it
                spoken = plain
                if parts.scheme == "https":
                    spoken = self._tls.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
                end = threading.Timer(_left(deadline), _shut, (spoken,))
                end.daemon = True
                end.start()
                try:
                    if isinstance(spoken, ssl.SSLSocket):
                        spoken.do_handshake()
                    connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
                    connection.sock = spoken
                    own = {"Host": parts.netloc, "User-Agent": f"TradingBackend/{VERSION}", "Connection": "close"}
                    connection.request("POST", target, body=body, headers={**own, **headers})
                    status = connection.getresponse().status
                    connection.close()
                    return status
                finally:
                    end.cancel()
                    spoken.close()
        except (OSError, http.client.HTTPException) as error:
            raise Refused(f"It could not be reached: {type(error).__name__}.", code="not_reached") from error

    def _resolved(self, parts: SplitResult, seconds: float) -> str:
        """Return an address of the host of a URL, all of whose addresses may be sent to."""
        look_up = self._look_ups.submit(_addresses, parts)
        try:
            return self._checked(look_up.result(seconds))[0]
        except TimeoutError:
            look_up.cancel()  # when it has not begun
            raise _refused("not_resolved", "The name of the host was not resolved in time.") from None
        except (OSError, UnicodeError):
            raise _refused("not_resolved", "The name of the host has no address.") from None

    def _checked(self, addresses: list[str]) -> list[str]:
        if not self._allow_private and not all(is_public(ipaddress.ip_address(each)) for each in addresses):
            raise _refused("address_refused", "The address is not a public one.")
        return addresses


def is_public(address: _Address) -> bool:
    """Tell whether an address belongs to the public internet, also one that is written inside another one."""
    if any(address in network for network in _SPECIAL):
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _EMBEDDING):
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # reads it
    except ValueError:
        raise _refused("invalid_url", "This is no URL.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or not url.isascii():
        raise _refused("invalid_url", "Use an http or https URL without a user in it.")
    if any(letter <= " " or letter == "\x7f" for letter in url):
        raise _refused("invalid_url", "A URL has no spaces and no control characters.")
    return parts


def _addresses(parts: SplitResult, flags: int = 0) -> list[str]:
    found = socket.getaddrinfo(parts.hostname, _port(parts), type=socket.SOCK_STREAM, flags=flags)
    return [str(address[0]) for *_, address in found]


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.01)


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _refused(code: str, message: str) -> Refused:
    return Refused(message, code=code, errors=(FieldError(field="url", code=code, message=message),))


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)  # of TLS too, without its goodbye
