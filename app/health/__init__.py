"""The health service, a process of its own: it keeps answering when everything else is down."""
