"""A real SMTP server on loopback: it keeps what it takes, and answers as a test says."""

from __future__ import annotations

import socket
import ssl
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from tests.certificates import certify

LOGIN = ("trading", "p@ss:word/5")


class MailServer:
    """Listen; `answers` are those to come to mails, the last one for ever."""

    def __init__(self, directory: Path, *, tls: bool = False) -> None:
        self.answers = ["250 OK"]
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.logins: list[tuple[str, str]] = []
        self.certificate = directory / "mail.pem"
        options: dict[str, Any] = {}
        if tls:
            key = directory / "mail.key"
            certify(self.certificate, key)
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self.certificate, key)
            options = {"tls_context": context, "require_starttls": True}
            options |= {"authenticator": self._authenticate, "auth_required": True}
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, ready_timeout=30.0, **options)

    @property
    def url(self) -> str:
        return f"smtp+plain://127.0.0.1:{self.port}"

    def start(self) -> MailServer:
        self._controller.start()
        return self

    def close(self) -> None:
        if self._controller.loop.is_running():
            self._controller.stop()

    async def handle_DATA(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Envelope
    ) -> str:
        content = cast(bytes, envelope.content)
        self.mails.append(message_from_bytes(content, policy=policy.default))
        self.recipients += envelope.rcpt_tos
        return self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)

    def _authenticate(self, *arguments: Any) -> AuthResult:
        given = arguments[-1]
        assert isinstance(given, LoginPassword)
        login = given.login.decode(), given.password.decode()
        self.logins.append(login)
        return AuthResult(success=login == LOGIN, handled=False)
