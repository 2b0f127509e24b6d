"""A database made ready for use: migrated, with its first rows and the operator's token."""

from __future__ import annotations

from app.adapters.embedded.private_file import write_private
from app.adapters.postgres.migrate import migrate
from app.bootstrap.system import System
from app.bootstrap.wiring import open_system
from app.domain.access import SCOPES
from app.settings import Settings, SettingsError

OPERATOR_TOKEN_FILE = "operator.token"
FIRST_LINK_FILE = "run/first-login-link"  # taken away by `up` once it is shown


def prepare_database(settings: Settings) -> None:
    """Migrate, then make sure that the first rows exist. Safe to repeat and to run from several machines at once."""
    if settings.database_url is None:
        raise SettingsError("QT_DATABASE_URL: not set")
    migrate(settings.database_url.get_secret_value())
    with open_system(settings) as system:
        system.refuse_unsafe_key()
        system.set_up()
        _keep_operator_token(system)
        _leave_first_link(system)


def _keep_operator_token(system: System) -> None:
    """The machine's own operator holds a token in a file of mode 600; made again when this database never issued it."""
    path = system.settings.state_dir / OPERATOR_TOKEN_FILE
    if path.exists() and system.authenticate(path.read_text().strip()) is not None:
        return
    write_private(path, system.issue_token(name="operator", scopes=sorted(SCOPES)) + "\n")


def _leave_first_link(system: System) -> None:
    """While nobody can log in yet: a link that does, once, in a file of mode 600."""
    path = system.settings.state_dir / FIRST_LINK_FILE
    link = system.users.make_first_link()
    if link is None:
        path.unlink(missing_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, link + "\n")
