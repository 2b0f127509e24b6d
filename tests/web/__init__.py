"""Tests of the web over an in-memory system."""
