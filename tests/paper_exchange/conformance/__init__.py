"""Clients that nobody here wrote drive a real exchange process, unmodified but for the address."""
