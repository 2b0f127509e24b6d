"""The Celery door: each task parses its argument, calls one use case, and translates what comes back."""
