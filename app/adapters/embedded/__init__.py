"""Postgres and Valkey servers from wheels, prepared here and run as supervised processes by whoever starts them."""
