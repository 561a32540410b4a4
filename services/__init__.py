"""The use cases, one module per noun. No HTTP here."""

from services.for_streamer import StreamServices, build_for_streams
from services.for_web import Services, build
from services.for_worker import WorkerServices, build_for_worker

__all__ = ["Services", "StreamServices", "WorkerServices", "build", "build_for_streams", "build_for_worker"]
