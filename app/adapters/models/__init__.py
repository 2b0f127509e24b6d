"""Models: the families that learn, the files they are kept in, and the user's own."""
