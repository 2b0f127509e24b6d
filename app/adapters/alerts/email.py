"""Alerts by e-mail, through one SMTP server."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from app.adapters.alerts.wording import details, headline
from app.domain.alerts import Alert
from app.ports import AlertNotDeliveredError

ANSWER_SECONDS_MAX = 10.0
PORTS = {"smtp": 587, "smtps": 465}
SUBJECT_CHARACTERS_MAX = 150


class EmailChannel:
    """`app.ports.AlertChannel`. `smtp_url`: `smtp://` (STARTTLS where offered) or `smtps://`, with user and password.

    A password is only ever sent over TLS. Messages of one alert make one thread. `ValueError` for another scheme.
    """

    name = "email"

    def __init__(self, smtp_url: str, *, sender: str, recipients: Sequence[str]) -> None:
        parts = urlsplit(smtp_url)
        if parts.scheme not in PORTS or parts.hostname is None:
            raise ValueError("must be smtp://[user:password@]host[:port] or smtps://...")
        self._scheme = parts.scheme
        self._address = (parts.hostname, parts.port or PORTS[parts.scheme])
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._sender = sender
        self._recipients = list(recipients)

    def deliver(self, alert: Alert) -> None:
        """Send it; raises `AlertNotDeliveredError` without the server's credentials in it."""
        try:
            with self._connect() as server:
                refused = server.send_message(self._message(alert), self._sender, self._recipients)
        except (smtplib.SMTPException, OSError) as error:
            raise AlertNotDeliveredError(f"{type(error).__name__}: {_reason(error)}") from None
        if refused:
            raise AlertNotDeliveredError(f"{len(refused)} of {len(self._recipients)} recipients were refused")

    def _connect(self) -> smtplib.SMTP:
        host, port = self._address
        if self._scheme == "smtps":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, port, timeout=ANSWER_SECONDS_MAX, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(host, port, timeout=ANSWER_SECONDS_MAX)
        try:
            server.ehlo()
            encrypted = self._scheme == "smtps"
            if not encrypted and server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
                encrypted = True
            if self._user:
                if not encrypted:
                    raise smtplib.SMTPNotSupportedError("the server offers no TLS: the password is not sent")
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        return server

    def _message(self, alert: Alert) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = f"[quantum-trader] {headline(alert)}"[:SUBJECT_CHARACTERS_MAX].replace("\n", " ")
        message["From"] = self._sender
        message["To"] = ", ".join(self._recipients)
        message["References"] = f"<{alert.alert_id}@quantum-trader>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(details(alert))
        return message


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"code {error.smtp_code}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "every recipient was refused"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return str(error)
    return getattr(error, "strerror", None) or "no details"
