"""The last resort: what could not reach its server waits in files of this machine."""
