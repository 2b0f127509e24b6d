"""Before `./qt up` sends real orders: the word, typed by whoever means it, or given to services by the environment."""

from __future__ import annotations

import click

from app.cli.failure import CommandFailure
from app.domain.policy import Stage
from app.settings import Settings

OWN_EXCHANGE = "http://127.0.0.1"  # what `up` starts when no exchange is named


def with_live_word(settings: Settings) -> Settings:
    """The settings with the word of stage LIVE; any other stage asks for nothing. A wrong word ends the command."""
    if settings.stage is not Stage.LIVE:
        return settings
    # Only here: joining the parts costs a second, and every other `up` refuses or starts without.
    from app.bootstrap.exchange import live_word

    word = live_word(settings.exchange_url or OWN_EXCHANGE)
    if settings.live_word is None:
        click.echo(f"stage LIVE: orders go to {word.partition(' ')[2]}, with the money of its account", err=True)
        typed = click.prompt(f"type {word} to go on", err=True)
        settings = settings.model_copy(update={"live_word": typed.strip()})
    if settings.live_word != word:
        raise CommandFailure(f"QT_LIVE_WORD: not {word!r}; nothing was started")
    return settings
