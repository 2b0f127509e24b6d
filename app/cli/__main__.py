"""`python -m app.cli`, which is what `./qt` becomes: the list of commands."""

from __future__ import annotations

from importlib import import_module

import click

# name -> (module under app.cli, one line for the list). Modules are imported when called: `status` must not pay for
# what `up` needs.
COMMANDS = {
    "up": ("up", "Start the whole system and stay in the foreground; Ctrl-C stops it."),
    "status": ("status", "What runs, and where."),
    "down": ("down", "Stop the system that uses this state directory."),
    "run": ("run", "One process of the system alone, for containers, systemd and other machines."),
    "probe": ("probe", "Whether one process of this machine works; exit code 0 or 1."),
    "secrets": ("container_secrets", "Passwords and keys for containers, one file each."),
    "check": ("check", "Ask every part whether it works; exit code 0 or 1."),
    "test": ("test", "Run the tests; arguments go to pytest."),
    "exchange": ("exchange", "Run the paper exchange alone."),
    "user": ("user", "People who may log in to the dashboard."),
    "login-link": ("login_link", "Print a link that logs in to the dashboard, once."),
    "token": ("token", "Tokens for the HTTP API: create, list, revoke."),
    "hook": ("hook", "Addresses that TradingView posts its alerts to."),
    "signal": ("signal", "Send one signal."),
    "ess": ("ess", "The emergency stop: status, trip, reset."),
    "policy": ("policy", "The risk policy: show, mode, set, history, rollback, whatif."),
    "throttle": ("throttle", "Strategies that were disabled for repeated executions: list, enable."),
    "panic": ("panic", "Cancel and close everything straight at the exchange; needs nothing else alive."),
    "chaos": ("chaos", "Break a system of its own from a seed and check every promise."),
    "bench": ("bench", "Measure every performance target beside its limit and beside other libraries."),
    "alerts": ("alerts", "Alerts: what is wrong and what was; send a test to every channel."),
    "events": ("events", "Consumers of the event stream: status, dead letters, revive, discard."),
    "backup": ("backup", "Everything that cannot be had again, in one file, while the system runs."),
    "restore": ("restore", "Load a backup into a new state directory."),
    "prune": ("prune", "Forget what nobody needs any more, beside the working system."),
    "replay": ("replay", "Send recorded signals and wait for what becomes of them."),
}


class LazyGroup(click.Group):
    """A group that knows its commands' names and imports one only to run it."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = import_module(f"app.cli.{COMMANDS[name][0]}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, name="qt", context_settings={"help_option_names": ["-h", "--help"]})
def qt() -> None:
    """Quantum Trader: turns trading signals into orders on a crypto-futures exchange, safely."""


if __name__ == "__main__":
    qt(prog_name="qt")
