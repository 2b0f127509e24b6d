"""The alert channels that the settings name."""

from __future__ import annotations

from collections.abc import Sequence

from app.adapters.alerts.email import EmailChannel
from app.adapters.alerts.webhook import WebhookChannel
from app.ports import AlertChannel
from app.settings import Settings, SettingsError


def open_channels(settings: Settings) -> Sequence[AlertChannel]:
    """Those whose address is given; `SettingsError` for one that is half given."""
    channels: list[AlertChannel] = []
    if settings.alert_webhook_url is not None:
        secret = settings.alert_webhook_secret
        channels.append(
            WebhookChannel(
                settings.alert_webhook_url.get_secret_value(),
                secret=None if secret is None else secret.get_secret_value(),
            )
        )
    if settings.alert_smtp_url is not None:
        channels.append(_email(settings, settings.alert_smtp_url.get_secret_value()))
    return channels


def _email(settings: Settings, smtp_url: str) -> AlertChannel:
    recipients = [each.strip() for each in (settings.alert_email_to or "").split(",") if each.strip()]
    if not recipients or settings.alert_email_from is None:
        raise SettingsError("QT_ALERT_EMAIL_FROM, QT_ALERT_EMAIL_TO: both are needed with QT_ALERT_SMTP_URL")
    try:
        return EmailChannel(smtp_url, sender=settings.alert_email_from, recipients=recipients)
    except ValueError as error:
        raise SettingsError(f"QT_ALERT_SMTP_URL: {error}") from None
