"""Mail to a real server of a few lines, in the clear and encrypted."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_string
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.jobs.conftest import alert

from trimtab.domain.alert import Tls
from trimtab.jobs.mail import Mailed, Server
from trimtab.jobs.message import Kind, Message
from trimtab.jobs.posting import Answer

NOW_US = 1_777_142_531_000_000
FIRING = Message("al_1-1", Kind.FIRING, (alert(),), "prod")
TO = ("ops@example.com", "ana@example.com")


class Sink:
    """Speaks enough SMTP. State: the mails that came, for whom, and what was said about a login."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.context = context
        self.mails: list[str] = []
        self.recipients: list[str] = []
        self.logins: list[str] = []
        self.encrypted: list[bool] = []
        self.refuses: dict[str, str] = {}
        self.port = 0

    @asynccontextmanager
    async def up(self, tls: Tls) -> AsyncGenerator[None]:
        context = self.context if tls is Tls.TLS else None
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = int(server.sockets[0].getsockname()[1])
        async with server:
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(text: str) -> None:
            writer.write(f"{text}\r\n".encode())
            await writer.drain()

        await say("220 sink")
        while line := (await reader.readline()).decode().strip():
            verb = line.upper().split(" ")[0]
            if verb == "DATA":
                await say("354 go on")
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                self.encrypted.append(writer.get_extra_info("ssl_object") is not None)
            if verb == "STARTTLS" and self.context is not None:
                await say("220 go on")
                await writer.start_tls(self.context)
                continue
            if verb == "RCPT":
                self.recipients.append(line.partition("<")[2].rstrip(">"))
            if verb == "AUTH":
                self.logins.append(line)
            await say(self.refuses.get(verb) or self._answer(verb))
            if verb == "QUIT":
                break
        writer.close()

    def _answer(self, verb: str) -> str:
        match verb:
            case "EHLO":
                return "250-sink\r\n250-STARTTLS\r\n250 AUTH PLAIN"
            case "AUTH":
                return "235 welcome"
            case "QUIT":
                return "221 bye"
            case _:
                return "250 ok"


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Give what the server shows and what the client trusts: a certificate of 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sink")])
    now = datetime.now(UTC)  # noqa: TID251 -- the library looks at the real clock
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "sink.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))


def mailed(sink: Sink, tls: Tls = Tls.NONE, trust: ssl.SSLContext | None = None) -> Mailed:
    context = trust or ssl.create_default_context()
    server = Server("127.0.0.1", sink.port, tls, timeout_s=5, trust=context)
    return Mailed(server, "trimtab@example.com", TO)


async def test_a_mail_says_what_is_the_matter_to_all_it_is_for() -> None:
    sink = Sink()
    async with sink.up(Tls.NONE):
        answer = await mailed(sink).tell(FIRING, NOW_US)

    assert answer == Answer(taken=True, said="taken for ops@example.com, ana@example.com")
    assert sink.recipients == list(TO)
    mail = message_from_string(sink.mails[0].replace("\r\n", "\n"))
    assert mail["Subject"] == "[prod] acme: money is being spent far faster than usual"
    assert mail["Message-ID"] == "<al_1-1@example.com>"
    assert mail["Date"] == "Sat, 25 Apr 2026 18:42:11 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "12.50 USD in an hour or two" in str(mail.get_payload())


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.TLS])
async def test_a_mail_is_encrypted_and_the_server_is_known(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], tls: Tls
) -> None:
    server, trust = contexts
    sink = Sink(server)
    async with sink.up(tls):
        answer = await mailed(sink, tls, trust).tell(FIRING, NOW_US)

    assert answer.taken
    assert sink.encrypted == [True]


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.TLS])
async def test_nothing_is_sent_to_a_server_that_nobody_vouches_for(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], tls: Tls
) -> None:
    sink = Sink(contexts[0])
    async with sink.up(tls):
        answer = await mailed(sink, tls).tell(FIRING, NOW_US)

    assert not answer.taken
    assert answer.said.startswith("SSLCertVerificationError: ")
    assert sink.mails == []


async def test_nothing_is_sent_if_the_server_does_not_encrypt() -> None:
    sink = Sink()
    sink.refuses["STARTTLS"] = "454 not now"
    async with sink.up(Tls.NONE):
        answer = await mailed(sink, Tls.STARTTLS).tell(FIRING, NOW_US)

    assert answer == Answer(taken=False, said="SMTPResponseException: answer 454")
    assert sink.mails == []


async def test_a_user_logs_in_and_a_refusal_repeats_no_password() -> None:
    sink = Sink()
    sink.refuses["AUTH"] = "535 s3cret is wrong"
    async with sink.up(Tls.NONE):
        server = Server("127.0.0.1", sink.port, Tls.NONE, "ana", "s3cret", timeout_s=5)
        answer = await Mailed(server, "trimtab@example.com", TO).tell(FIRING, NOW_US)

    assert answer == Answer(taken=False, said="SMTPAuthenticationError: answer 535")
    assert len(sink.logins) == 1
    assert "s3cret" not in repr(server)


async def test_a_server_that_is_away_is_told_of() -> None:
    sink = Sink()
    sink.port = 1

    answer = await mailed(sink).tell(FIRING, NOW_US)

    assert not answer.taken
    assert answer.said.startswith("ConnectionRefusedError: ")


async def test_a_mail_that_nobody_may_get_is_not_taken() -> None:
    sink = Sink()
    sink.refuses["RCPT"] = "550 nobody here"
    async with sink.up(Tls.NONE):
        answer = await mailed(sink).tell(FIRING, NOW_US)

    assert answer == Answer(taken=False, said="SMTPRecipientsRefused: nobody of those it is for")
