"""Database URLs that name several hosts, of which one is to be written to: in libpq's words, and in SQLAlchemy's."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

# With several hosts the first may be the one that failed, or follow the one that took its place.
SESSION = "target_session_attrs"
WRITABLE = "read-write"


def one_authority(database_url: str) -> str:
    """`postgresql://u:p@h1:5432,h2:5433/db` as SQLAlchemy reads it: `postgresql://u:p@/db?host=h1:5432&host=h2:5433`.

    Asks for a host that may be written to unless the URL says otherwise. A URL of one host comes back as it is.
    """
    parts = urlsplit(database_url)
    credentials, at, places = parts.netloc.rpartition("@")
    if "," not in places:
        return database_url
    options = parse_qsl(parts.query, keep_blank_values=True)
    hosts = [("host", place if ":" in place else f"{place}:5432") for place in places.split(",") if place]
    if not any(name == SESSION for name, _ in options):
        options.append((SESSION, WRITABLE))
    return urlunsplit(parts._replace(netloc=f"{credentials}{at}", query=urlencode([*hosts, *options], safe=":/")))


def without_password(database_url: str) -> tuple[str, str]:
    """The URL for a command line, which is public, and the password for the environment; for libpq's own tools."""
    parts = urlsplit(database_url)
    credentials, at, places = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    scheme = parts.scheme.partition("+")[0]
    return urlunsplit(parts._replace(scheme=scheme, netloc=f"{user}{at}{places}")), unquote(password)
