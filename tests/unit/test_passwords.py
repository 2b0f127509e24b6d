"""The real hashes: argon2id with today's parameters, salted, and no password fits a damaged one."""

from __future__ import annotations

import argon2

from app.adapters.passwords import Argon2Passwords


def test_a_hash_fits_its_password_alone_and_is_different_each_time() -> None:
    passwords = Argon2Passwords()
    first = passwords.hash("correct horse battery")
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert first != passwords.hash("correct horse battery")
    assert passwords.verify(first, "correct horse battery")
    assert not passwords.verify(first, "correct horse batterz")
    assert not passwords.verify("no hash", "correct horse battery")
    assert not passwords.is_outdated(first)
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse battery")
    assert passwords.verify(weak, "correct horse battery")
    assert passwords.is_outdated(weak)
