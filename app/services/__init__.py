"""The use cases, one file each, named by a verb phrase; they know the ports, never the adapters."""
