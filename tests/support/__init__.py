"""Helpers for the tests: real servers, waiting for conditions."""
