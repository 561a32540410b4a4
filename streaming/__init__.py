"""The streamer: one process that writes events to every client that follows them."""
