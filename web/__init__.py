"""The web entry point: the JSON API, the live socket and the page."""
