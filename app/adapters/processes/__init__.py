"""Running other programs: starting, probing, restarting and stopping them so that nothing is left behind."""
