"""What users are told, and by which ways: here, by webhook, by mail."""
