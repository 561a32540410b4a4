"""The worker: jobs and a schedule."""
