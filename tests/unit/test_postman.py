from __future__ import annotations

import json

import yaml

from scripts import openapi, postman
from tests.openapi_client import operations


def test_the_file_is_made_from_the_document() -> None:
    assert postman.PATH.read_text(encoding="utf-8") == postman.generate(), "run python -m scripts.postman"


def test_has_every_operation_but_the_streams_and_checks_each() -> None:
    document = yaml.safe_load(openapi.PATH.read_text(encoding="utf-8"))
    wanted = {
        f"{method.upper()} {path}"
        for path, method, operation in operations(document)
        if "/stream/" not in path
        and not path.startswith("/ws/")
        and not any(part in path for part in ("/credentials", "/totp/", "{webhook_id}"))
        and path != "/api/webhooks"
        and not path.startswith("/api/backtesting/data")
        and operation["operationId"]
        not in {
            "close_position",
            "close_paper_position",
            "change_email",
            "delete_me",
            "delete_user",
            "get_backtest_report",
            "stream_backtest",
        }
        and operation["operationId"]
        not in {
            "get_tournament",
            "join_tournament",
            "leave_tournament",
            "list_teams",
            "make_team",
            "join_team",
            "leave_team",
            "list_rankings",
            "list_team_rankings",
            "get_rank_history",
            "get_own_rank",
            "list_prizes",
            "get_own_leaderboard_row",
            "send_email_code",
            "confirm_email",
            "test_email",
        }
    }

    items = [item for folder in json.loads(postman.generate())["item"] for item in folder["item"]]

    assert {item["name"] for item in items} == wanted
    assert items[0]["name"] == "POST /api/auth/signup"
    assert items[-1]["name"] == "POST /api/auth/logout"
    assert all("pm.response.to.have.status" in json.dumps(item["event"]) for item in items)
