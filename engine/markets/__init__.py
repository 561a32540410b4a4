"""Markets: their instruments, quotes and ticks, and the stream of their prices."""
