"""Health probes, for monitoring."""

from __future__ import annotations

from api.blueprint import PUBLIC, Blueprint
from api.context import services
from api.schemas.health import LivenessSchema, ReadinessSchema
from middleware.rate_limits import UNLIMITED
from services.operations.health import Readiness

blueprint = Blueprint("health", "Probes for whoever watches over the installation")


@blueprint.route("/health/live", permission=PUBLIC, limit=UNLIMITED)
@blueprint.response(200, LivenessSchema)
def check_liveness() -> dict[str, str]:
    """Tell that this process answers."""
    return {"status": "live"}


@blueprint.route("/health/ready", permission=PUBLIC, limit=UNLIMITED, errors=(503,))
@blueprint.response(200, ReadinessSchema)
def check_readiness() -> Readiness:
    """Tell whether database, engine, feeds, streamer and worker work; 503 names those that do not."""
    return services.health.check()
