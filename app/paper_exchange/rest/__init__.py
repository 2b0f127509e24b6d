"""The REST side: parameters, the table of endpoints, and what each of them answers."""
