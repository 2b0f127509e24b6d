"""The outside world: Postgres, Redis, the disk, the exchange; each implements a port of `app.ports`."""
