"""The live stream to dashboards: one thread reads events, encodes each once, and paces every client."""
