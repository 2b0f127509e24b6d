"""What is counted for Prometheus, by whichever process does it."""
