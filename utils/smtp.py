"""Hand mail over to the operator's SMTP server."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import closing, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from email.utils import formatdate
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from utils.errors import NotReady, Refused

SECONDS = 15.0
"""How long the server may take for each answer."""

Security = Literal["starttls", "tls", "none"]
PORTS: dict[Security, int] = {"starttls": 587, "tls": 465, "none": 25}
SCHEMES: dict[str, Security] = {"smtp": "starttls", "smtps": "tls", "smtp+plain": "none"}


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A text for one address. `id` becomes its Message-ID, by which a repetition is known."""

    id: str
    to: str
    subject: str
    text: str


class Mailer:
    """Send through the server of a URL, as `sender`.

    `smtp://` demands STARTTLS, `smtps://` is TLS from the beginning, `smtp+plain://` is for a relay on a trusted
    network.

    :raises ValueError: for another URL, or a sender that is no address; never with the password.
    """

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("not smtp://, smtps:// or smtp+plain:// with [user:password@]host[:port]")
        if any(letter.isspace() for letter in sender) or "@" not in sender.strip("@"):
            raise ValueError("the sender is not an address")
        self._security = SCHEMES[parts.scheme]
        self._address = parts.hostname, parts.port or PORTS[self._security]
        self._login = _login(parts)
        self._sender = sender

    def send(self, mail: Mail) -> None:
        """Hand a mail over.

        :raises Refused: `mail_refused` when the server will never take it.
        :raises NotReady: `mail_server_unavailable` when it may later, or it is not known whether it did.
        """
        try:
            message = self._message(mail)
        except ValueError:
            raise Refused("No mail can be sent to this address.", code="mail_refused") from None
        try:
            with closing(self._connect()) as server:
                server.send_message(message)
                with suppress(smtplib.SMTPException, OSError):  # it has the mail, whatever it says now
                    server.quit()
        except smtplib.SMTPRecipientsRefused as error:
            raise _refusal(max(code for code, _ in error.recipients.values())) from None
        except smtplib.SMTPDataError as error:
            raise _refusal(error.smtp_code) from None
        except (smtplib.SMTPException, OSError) as error:
            raise NotReady(f"The mail server failed: {_reason(error)}", code="mail_server_unavailable") from None

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage(policy=POLICY)
        message["From"] = self._sender
        message["To"] = mail.to
        message["Subject"] = " ".join(mail.subject.split())
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = f"<{mail.id}@{self._sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        return message

    def _connect(self) -> smtplib.SMTP:
        host, port = self._address
        if self._security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=ssl.create_default_context())
        else:
            server = smtplib.SMTP(host, port, timeout=SECONDS)
        try:
            if self._security == "starttls":
                server.starttls(context=ssl.create_default_context())
            if self._login is not None:
                server.login(*self._login)
        except BaseException:
            server.close()
            raise
        return server


def _login(parts: SplitResult) -> tuple[str, str] | None:
    if not parts.username:
        return None
    return unquote(parts.username), unquote(parts.password or "")


def _refusal(code: int) -> Refused | NotReady:
    if code >= 500:
        return Refused(f"The mail server refused it for good ({code}).", code="mail_refused")
    return NotReady(f"The mail server did not take it yet ({code}).", code="mail_server_unavailable")


def _reason(error: Exception) -> str:
    """Return what went wrong without what the server said: that may repeat a password."""
    code = getattr(error, "smtp_code", None)
    return type(error).__name__ if code is None else f"{type(error).__name__} ({code})"
