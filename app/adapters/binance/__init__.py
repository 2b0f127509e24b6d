"""The exchange client: signed requests, two kinds of streams, and what every answer says about execution."""
