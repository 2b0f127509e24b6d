"""In-memory fakes of every port; contract tests hold each to its real adapter."""
