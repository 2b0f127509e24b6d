"""Request signatures: HMAC-SHA256 over the query and body text, tolerant of text signed before it was encoded."""

import hashlib
import hmac
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus


def sign(secret: str, payload: str) -> str:
    """The signature in lower-case hex."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def strip_signature(text: str) -> tuple[str, str | None]:
    """Take the `signature=` pair out of a query or form text, wherever it stands."""
    if "signature=" not in text:
        return text, None
    kept: list[str] = []
    signature: str | None = None
    for pair in text.split("&"):
        if pair.startswith("signature="):
            signature = pair[len("signature=") :]
        else:
            kept.append(pair)
    return "&".join(kept), signature


def _payloads(query: str, body: str) -> Iterator[str]:
    """Every text a well-meaning client may have signed: as sent, then decoded, then joined with an ampersand."""
    joined = query + body
    yield joined
    if "%" in joined or "+" in joined:
        yield unquote(joined)
        yield unquote_plus(joined)
    if query and body:
        ampersand = f"{query}&{body}"
        yield ampersand
        yield unquote_plus(ampersand)


def signature_is_valid(secret: str, query: str, body: str) -> bool | None:
    """Check the signature found in query or body; None when there is none."""
    query_rest, query_signature = strip_signature(query)
    body_rest, body_signature = strip_signature(body)
    given = body_signature or query_signature
    if not given:
        return None
    given = given.lower()
    # Bytes: comparing text of any other alphabet would be an error instead of a "no".
    wanted = given.encode()
    return any(
        hmac.compare_digest(sign(secret, payload).encode(), wanted) for payload in _payloads(query_rest, body_rest)
    )
