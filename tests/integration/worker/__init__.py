"""The worker: jobs, and what it does for users."""
