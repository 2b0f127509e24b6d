"""Alerts on their way to people, against real servers of either protocol."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from app.adapters.alerts.courier import AlertCourier
from app.adapters.alerts.email import EmailChannel
from app.adapters.alerts.webhook import WebhookChannel
from app.cli.__main__ import qt
from app.domain.alerts import Alert, AlertChange
from app.domain.health import Status
from app.ports import AlertNotDeliveredError
from tests.fakes.alerts import FakeChannel
from tests.fakes.clock import FIRST_MOMENT as NOW
from tests.support.waiting import wait_until
from tests.unit.alerts.hook_server import hook_server
from tests.unit.alerts.mail_server import mail_server

ALERT = Alert(
    alert_id="a1", component="redis", status=Status.CRITICAL, cause="no answer", raised_at=NOW, changed_at=NOW
)
CLEARED = replace(ALERT, revision=2, last_change=AlertChange.CLEARED, cleared_at=NOW)


def test_a_webhook_is_signed_and_says_it_in_words_and_in_fields() -> None:
    with hook_server() as hook:
        WebhookChannel(hook.url, secret="hush").deliver(ALERT)
    ((headers, body),) = hook.posts
    assert headers["X-QT-Signature"] == "sha256=" + hmac.new(b"hush", body, hashlib.sha256).hexdigest()
    told = json.loads(body)
    assert told["text"] == "raised: redis is CRITICAL: no answer"
    assert (told["alert"]["component"], told["alert"]["open"]) == ("redis", True)


def test_a_webhook_that_refuses_or_is_away_is_an_error_without_its_address() -> None:
    with hook_server() as hook:
        hook.refusals = 1
        with pytest.raises(AlertNotDeliveredError, match="answered 503"):
            WebhookChannel(hook.url, secret=None).deliver(ALERT)
        url = hook.url
    with pytest.raises(AlertNotDeliveredError) as caught:
        WebhookChannel(url, secret=None).deliver(ALERT)
    assert "secret-key" not in str(caught.value)


def test_an_e_mail_has_the_news_in_its_subject_and_the_way_on_in_its_text() -> None:
    with mail_server() as mail:
        EmailChannel(mail.url, sender="qt@example.org", recipients=["a@example.org", "b@example.org"]).deliver(CLEARED)
    (message,) = mail.messages
    assert message["To"] == "a@example.org, b@example.org"
    assert "".join(message["Subject"].splitlines()).strip().startswith("[quantum-trader] cleared: redis is well again")
    assert "docs/runbook.md" in message.get_payload()


def test_an_e_mail_that_is_refused_is_an_error_and_a_password_never_goes_out_in_the_clear() -> None:
    with mail_server() as mail:
        mail.refusals = 1
        with pytest.raises(AlertNotDeliveredError, match="every recipient was refused"):
            EmailChannel(mail.url, sender="qt@example.org", recipients=["a@example.org"]).deliver(ALERT)
        with_password = mail.url.replace("smtp://", "smtp://user:pass-word@")
        with pytest.raises(AlertNotDeliveredError, match="the password is not sent"):
            EmailChannel(with_password, sender="qt@example.org", recipients=["a@example.org"]).deliver(ALERT)
    assert mail.messages == []


def test_a_channel_that_fails_is_tried_again_and_delays_no_other() -> None:
    noted: list[Alert] = []
    good, bad = FakeChannel("good"), FakeChannel("bad", failures=3)
    courier = AlertCourier([good, bad], on_delivered=noted.append, retry_seconds_first=0.01)
    courier.send(ALERT)
    courier.send(CLEARED)
    wait_until(lambda: len(noted) == 4, seconds=5, what="both to be delivered to both")
    assert good.delivered == bad.delivered == [ALERT, CLEARED]
    assert {(name, revision) for one in noted for name, revision in one.delivered.items()} == {
        ("good", 1), ("good", 2), ("bad", 1), ("bad", 2),
    }  # fmt: skip
    courier.send(replace(ALERT, delivered={"good": 1, "bad": 1}))
    courier.stop()
    assert len(noted) == 4, "what was delivered is not delivered again"


def test_a_channel_that_goes_on_failing_says_so() -> None:
    courier = AlertCourier([FakeChannel("bad", failures=10**6)], on_delivered=lambda _: None, retry_seconds_first=0.01)
    courier.send(ALERT)
    courier.send(CLEARED)
    wait_until(lambda: courier.status()["bad"].error, seconds=5, what="the failure to be told")
    assert (courier.status()["bad"].error, courier.status()["bad"].waiting) == ("bad is away", 2)
    courier.stop()


def test_the_test_command_proves_each_channel_and_fails_when_one_does() -> None:
    with hook_server() as hook, mail_server() as mail:
        environment = {
            "QT_ALERT_WEBHOOK_URL": hook.url,
            "QT_ALERT_SMTP_URL": mail.url,
            "QT_ALERT_EMAIL_FROM": "qt@example.org",
            "QT_ALERT_EMAIL_TO": "a@example.org",
        }
        good = CliRunner().invoke(qt, ["alerts", "test"], env=environment)
        mail.refusals = 1
        bad = CliRunner().invoke(qt, ["alerts", "test"], env=environment)
    none = CliRunner().invoke(qt, ["alerts", "test"])
    assert (good.exit_code, good.output.count("took it")) == (0, 2)
    assert (bad.exit_code, "email      FAILED" in bad.output) == (1, True)
    assert (none.exit_code, "no channel" in none.output) == (1, True)
