"""Where alerts are delivered by mail: SMTP, encrypted unless the server is on a private network."""

import asyncio
import smtplib
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

from trimtab.domain.alert import Tls
from trimtab.jobs.message import Message
from trimtab.jobs.posting import TIMEOUT_S, Answer


@dataclass(frozen=True, slots=True)
class Server:
    """Who takes mail.

    Attributes:
        user: Who logs in; `None` if nobody does.
        trust: Which certificates are trusted.
    """

    host: str
    port: int
    tls: Tls
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout_s: float = TIMEOUT_S
    trust: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False)


@dataclass(frozen=True, slots=True)
class Mailed:
    """`Channel` by mail. The library blocks, so it has a thread."""

    server: Server
    sender: str
    to: tuple[str, ...]

    async def tell(self, message: Message, now_us: int) -> Answer:
        """See `Channel.tell`."""
        mail = self._written(message, now_us)
        try:
            refused = await asyncio.to_thread(self._send, mail)
        except (OSError, smtplib.SMTPException) as exc:
            return Answer(taken=False, said=_said(exc))
        if refused:
            return Answer(taken=True, said=f"taken, but not for {', '.join(sorted(refused))}")
        return Answer(taken=True, said=f"taken for {', '.join(self.to)}")

    def _written(self, message: Message, now_us: int) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = message.title
        mail["From"] = self.sender
        mail["To"] = ", ".join(self.to)
        mail["Date"] = format_datetime(datetime.fromtimestamp(now_us // 1_000_000, UTC))
        domain = self.sender.rpartition("@")[2].rstrip(">")
        # The same at every try: who gets it twice sees it once.
        mail["Message-ID"] = f"<{message.id}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        return mail

    def _send(self, mail: EmailMessage) -> dict[str, tuple[int, bytes]]:
        server = self.server
        with _connected(server) as smtp:
            if server.tls is Tls.STARTTLS:
                smtp.starttls(context=server.trust)
            if server.user is not None:
                smtp.login(server.user, server.password or "")
            return smtp.send_message(mail)


def _connected(server: Server) -> smtplib.SMTP:
    if server.tls is Tls.TLS:
        return smtplib.SMTP_SSL(
            server.host, server.port, timeout=server.timeout_s, context=server.trust
        )
    return smtplib.SMTP(server.host, server.port, timeout=server.timeout_s)


def _said(exc: Exception) -> str:
    """Say what went wrong without what was sent: an answer to a login may repeat it."""
    if isinstance(exc, smtplib.SMTPResponseException):
        return f"{type(exc).__name__}: answer {exc.smtp_code}"
    if isinstance(exc, smtplib.SMTPRecipientsRefused):
        return "SMTPRecipientsRefused: nobody of those it is for"
    return f"{type(exc).__name__}: {exc}"
