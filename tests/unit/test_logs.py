"""Nothing secret leaves by the log."""

from __future__ import annotations

from app.logs import redactor
from app.settings import Settings


def test_every_secret_of_the_settings_and_every_password_in_a_url_is_blotted_out() -> None:
    secrets = {
        "QT_DATABASE_URL": "postgresql://user:database-word@host/db",
        "QT_REDIS_URL": "redis://:redis-word@host/0",
        "QT_EXCHANGE_KEY": "exchange-key",
        "QT_EXCHANGE_SECRET": "exchange-secret",
        "QT_ALERT_WEBHOOK_URL": "https://hooks.example.org/services/hook-word",
        "QT_ALERT_SMTP_URL": "smtp://user:smtp-word@host",
        "QT_FLOWER_PASSWORD": "flower-word",
    }
    redact = redactor(Settings.from_environment({"QT_STATE_DIR": "/tmp/never", **secrets}))
    text = " ".join([*secrets.values(), "database-word", "redis-word", "smtp-word", "amqp://a:other-word@host"])
    said = redact(text)
    words = ("database-word", "redis-word", "exchange-key", "exchange-secret", "hook-word", "smtp-word", "flower-word")
    assert [word for word in (*words, "other-word") if word in said] == []
    assert redact("nothing to hide: 12:30:00") == "nothing to hide: 12:30:00"
