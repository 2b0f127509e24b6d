"""The checks of every component, for whoever asks: the health service all the time, `./qt check` once."""
