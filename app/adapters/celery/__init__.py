"""Celery as the core's task queue."""
