"""Trading in a tournament, and its end: one set of prices for all, however often whoever closes is killed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from sqlalchemy import update

import models
from engine.markets.source import Quote
from services.tournaments import prizes
from services.tournaments.end import TournamentEnd
from tests.books import differences
from tests.factories import SignedIn, audit_rows
from tests.integration.tournaments.mortal import Killed, Mortal
from tests.integration.tournaments.stage import BTC, ETH, LEASE, ORDERS, PERPETUAL, TOURNAMENTS, Stage, stamp
from tests.problems import assert_problem
from utils import clock
from utils.errors import EngineUnavailable
from utils.octobot_bridge import OctoBotBridge
from utils.wire import CLOSING, Actor, DepositFunds
from worker.handlers import handlers

FEE = Decimal("0.001")
KEEPS_THE_PRICES = 4
"""After so many operations the prices are kept: they were asked for and told, and a transaction was begun and ended."""


def close(stage: Stage, bridge: OctoBotBridge, holder: str, lives: int = -1) -> None:
    """Close what is due as a process that dies after so many operations; whoever comes next need not wait for it."""
    [run] = stage.worker.jobs.take(holder, {"tournament.close": 1}, -LEASE)
    mortal: Any = Mortal(stage.database, bridge, lives)
    TournamentEnd(mortal, mortal, prizes.want_settlement).close(run)


def started(stage: Stage, *users: SignedIn, **rules: Any) -> tuple[dict[str, Any], list[str]]:
    tournament = stage.create(**rules)
    accounts = [stage.join(user, tournament) for user in users]
    assert stage.admin_move(tournament, "start").status_code == 200
    return tournament, accounts


def closing_trades(stage: Stage, account: str, after: str) -> list[tuple[str, str, Decimal]]:
    trade = models.Trade
    return [
        (row.symbol, row.side, row.price) for row in stage.rows(trade, trade.account_id == account, trade.id > after)
    ]


def test_orders_are_taken_between_start_and_end_in_its_markets_alone(stage: Stage, ann: SignedIn) -> None:
    tournament = stage.create(symbols=[BTC])
    account = stage.join(ann, tournament)
    assert_problem(stage.order(ann, account), 409, "tournament_not_started")
    stage.travel(minutes=1)
    assert_problem(stage.order(ann, account), 409, "tournament_not_started")  # the schedule has not been here
    stage.run_due()
    assert stage.order(ann, account).status_code == 201
    for side in ("buy", "sell"):
        refused = stage.order(ann, account, symbol=ETH, side=side)
        assert_problem(refused, 422, "tournament_symbol_not_allowed" if side == "buy" else "insufficient_funds")
    preview = stage.ok(
        ann, "POST", f"{ORDERS}/preview", {"symbol": ETH, "side": "sell", "amount": "1", "account": account}
    )
    codes = [check["code"] for check in preview["checks"] if not check["ok"]]
    assert "tournament_symbol_not_allowed" in codes
    resting = stage.order(ann, account, type="limit", price="40000").get_json()["data"]
    path = f"{ORDERS}/{resting['id']}"
    assert stage.call(ann, "PATCH", path, {"amount": "0.02"}).status_code == 200
    stage.travel(minutes=6)
    # nobody has ended it yet, and it is over all the same
    assert_problem(stage.order(ann, account), 409, "tournament_over")
    assert_problem(stage.call(ann, "PATCH", path, {"amount": "0.03"}), 409, "tournament_over")
    stage.price(BTC, 39_000)
    assert stage.ok(ann, "GET", path)["status"] == "accepted"  # nothing fills after the end
    stage.run_due()
    assert stage.work() == []
    assert stage.ok(ann, "GET", path)["status"] == "canceled"
    assert_problem(stage.order(ann, account), 409, "tournament_over")
    assert differences(stage.database) == []


def test_all_are_closed_at_the_same_prices_to_the_last_digit(
    stage: Stage, ann: SignedIn, ben: SignedIn, engine_bridge: OctoBotBridge
) -> None:
    tournament, (hers, his) = started(stage, ann, ben, symbols=[BTC, ETH])
    assert stage.order(ann, hers, amount="0.05").status_code == 201
    assert stage.order(ann, hers, symbol=ETH, amount="0.7").status_code == 201
    assert stage.order(ann, hers, type="limit", price="60000", side="sell").status_code == 201
    assert stage.order(ben, his, amount="0.02").status_code == 201
    last = max(row.id for row in stage.rows(models.Trade))
    stage.price(BTC, 55_000)
    stage.admin_move(tournament, "end")
    # what prices do now is nobody's gain or loss
    with pytest.raises(Killed):
        close(stage, engine_bridge, "first", KEEPS_THE_PRICES)
    stage.price(BTC, 20_000)
    stage.price(ETH, 9_000)
    close(stage, engine_bridge, "second")
    assert sorted(closing_trades(stage, hers, last)) == [(BTC, "sell", 55_000), (ETH, "sell", 2_500)]
    assert closing_trades(stage, his, last) == [(BTC, "sell", 55_000)]
    for who, account in ((ann, hers), (ben, his)):
        entry = stage.entry(who)
        balances = {row.currency: row.total for row in stage.rows(models.Balance, models.Balance.account_id == account)}
        assert {name: total for name, total in balances.items() if total} == {"USDT": entry.final_value}
        assert stage.ok(who, "GET", f"/api/accounts/{account}")["status"] == "archived"
        assert stage.ok(who, "GET", f"{ORDERS}?status=open&account={account}") == []
    bought, sold = Decimal("0.02") * 50_000, Decimal("0.02") * 55_000
    assert stage.entry(ben).final_value == 10_000 - bought * (1 + FEE) + sold * (1 - FEE)
    [row] = stage.rows(models.Tournament)
    assert msgspec.json.decode(row.marks, type=dict[str, Decimal]) == {BTC: 55_000, ETH: 2_500}
    assert row.status == "finished"
    assert differences(stage.database) == []
    assert stage.work() == []
    [told] = stage.told(ben, "ended")
    assert Decimal(told["payload"]["value"]) == stage.entry(ben).final_value


def mute(stage: Stage, monkeypatch: pytest.MonkeyPatch, symbol: str) -> None:
    """Let a market tell no price that is good to trade at any more, nor one that was at the end."""
    market = stage.host.engine.market
    fresh, past = market.fresh_quote, market.mark_at

    def tell[Answer](asked: str, answer: Callable[[], Answer]) -> Answer:
        if asked == symbol:
            raise EngineUnavailable("The prices are too old.", code="stale_market_price")
        return answer()

    monkeypatch.setattr(market, "fresh_quote", lambda asked: tell(asked, lambda: fresh(asked)))
    monkeypatch.setattr(market, "mark_at", lambda asked, at: tell(asked, lambda: past(asked, at)))


def test_a_mute_market_in_which_nobody_holds_anything_keeps_nothing_open(
    stage: Stage, ann: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    tournament, [account] = started(stage, ann, symbols=[BTC, ETH])
    assert stage.order(ann, account).status_code == 201
    mute(stage, monkeypatch, ETH)
    stage.price(BTC, 55_000)
    stage.admin_move(tournament, "end")
    assert stage.work() == []
    assert stage.get(tournament)["status"] == "finished"
    assert "tournament.marked" not in [action for action, _, _ in audit_rows(stage.database)]
    assert differences(stage.database) == []


@pytest.mark.parametrize(("symbol", "kind"), [(ETH, "spot"), (PERPETUAL, "futures")])
@pytest.mark.parametrize("is_forgotten", [False, True])
def test_a_market_that_stays_mute_is_closed_at_its_last_known_price(
    stage: Stage, ann: SignedIn, monkeypatch: pytest.MonkeyPatch, symbol: str, kind: str, is_forgotten: bool
) -> None:
    stage.price(symbol, 2_500)
    tournament, [account] = started(stage, ann, symbols=[symbol], account_type=kind)
    assert stage.order(ann, account, symbol=symbol, amount="0.7").status_code == 201
    last = max(row.id for row in stage.rows(models.Trade))
    stage.price(symbol, 2_600)
    mute(stage, monkeypatch, symbol)
    if is_forgotten:  # as by an engine that has started anew
        stage.host.engine.market.quotes.pop(symbol)
    stage.admin_move(tournament, "end")
    assert "EngineUnavailable" in stage.work()[0]
    stage.travel(minutes=59)
    assert "EngineUnavailable" in stage.work()[0]
    assert stage.get(tournament)["status"] == "closing"
    stage.travel(minutes=2)
    assert stage.work() == []
    assert stage.get(tournament)["status"] == "finished"
    # nobody has seen another price than the one at which Ann bought
    assert closing_trades(stage, account, last) == [(symbol, "sell", 2_500 if is_forgotten else 2_600)]
    entry = models.AuditEntry
    [told] = stage.rows(entry, entry.action == "tournament.marked")
    assert (told.target, msgspec.json.decode(told.detail)) == (tournament["id"], {"last_known": [symbol]})
    assert differences(stage.database) == []


def test_dust_is_sold_too(stage: Stage, ann: SignedIn) -> None:
    tournament, [account] = started(stage, ann, symbols=[BTC])
    stage.order(ann, account, amount="0.00102")
    fund(stage, account, "BTC", round(stage.host.engine.market.instruments[BTC].amount_step / 7, 18))
    stage.admin_move(tournament, "end")
    assert stage.work() == []
    balances = {row.currency: row.total for row in stage.rows(models.Balance, models.Balance.account_id == account)}
    assert balances["BTC"] == 0
    assert differences(stage.database) == []


def fund(stage: Stage, account: str, currency: str, amount: Decimal) -> None:
    """Pay into an account as nobody can over HTTP: what is held need not be a whole number of steps."""
    command = DepositFunds(actor=Actor(user_id=stage.admin.id), account=account, currency=currency, amount=amount)
    stage.host.run(stage.host.engine.account_changes.deposit(command))


def test_perpetuals_keep_to_the_leverage_and_are_closed_at_the_mark(stage: Stage, ann: SignedIn, ben: SignedIn) -> None:
    rules = {"account_type": "futures", "symbols": [PERPETUAL], "max_leverage": "3"}
    tournament, (hers, his) = started(stage, ann, ben, **rules)
    leverage = f"/api/trading/positions/{PERPETUAL.replace('/', '-')}/leverage"
    refused = stage.call(ann, "PUT", leverage, {"leverage": "4", "account": hers})
    assert_problem(refused, 422, "tournament_max_leverage")
    # 3 without being asked for, though 5 is usual: a margin of a third
    assert stage.order(ann, hers, symbol=PERPETUAL, amount="0.3").status_code == 201
    [position] = stage.ok(ann, "GET", f"/api/trading/positions?account={hers}")
    assert (position["leverage"], Decimal(position["margin"])) == ("3", Decimal("0.3") * 50_000 / 3)
    assert stage.order(ben, his, symbol=PERPETUAL, side="sell", amount="0.2").status_code == 201
    stage.travel(minutes=7)
    stage.price(PERPETUAL, 20_000)  # would have liquidated Ann, had it been a moment earlier
    assert stage.ok(ann, "GET", f"/api/trading/positions?account={hers}")[0]["amount"] == "0.3"
    stage.price(PERPETUAL, 48_000)
    stage.run_due()
    assert stage.work() == []
    fees = Decimal("0.2") * (50_000 + 48_000) * stage.host.engine.market.instruments[PERPETUAL].taker_fee
    assert stage.entry(ben).final_value == 10_000 + Decimal("0.2") * 2_000 - fees
    assert stage.entry(ann).final_value < 10_000 - Decimal("0.3") * 2_000
    assert [row.amount for row in stage.rows(models.Position)] == [0, 0]
    assert stage.get(tournament)["status"] == "finished"
    assert differences(stage.database) == []


def test_nobody_can_lose_more_than_the_margin_at_the_end(stage: Stage, ann: SignedIn) -> None:
    _, [account] = started(stage, ann, account_type="futures", symbols=[PERPETUAL])
    assert stage.order(ann, account, symbol=PERPETUAL, amount="0.9").status_code == 201
    stage.travel(minutes=7)
    stage.price(PERPETUAL, 10_000)
    stage.run_due()
    assert stage.work() == []
    fee = Decimal("0.9") * 50_000 * stage.host.engine.market.instruments[PERPETUAL].taker_fee
    assert stage.entry(ann).final_value == 10_000 - fee - Decimal("0.9") * 50_000 / 5
    assert differences(stage.database) == []


def test_the_leverage_stays_as_it_is_after_the_end(stage: Stage, ann: SignedIn) -> None:
    tournament = stage.create(account_type="futures", symbols=[PERPETUAL])
    account = stage.join(ann, tournament)
    path = f"/api/trading/positions/{PERPETUAL.replace('/', '-')}/leverage"
    body = {"leverage": "1", "account": account}
    stage.ok(ann, "PUT", path, body)  # before the start it may be chosen
    stage.admin_move(tournament, "start")
    stage.ok(ann, "PUT", path, body)
    assert stage.order(ann, account, symbol=PERPETUAL, amount="0.1").status_code == 201
    stage.travel(minutes=7)
    # nobody has ended it yet; with a hundredth of the margin a hundredth would be the most that can be lost
    assert_problem(stage.call(ann, "PUT", path, {**body, "leverage": "100"}), 409, "tournament_over")
    closing = f"{path.removesuffix('/leverage')}?account={account}"
    assert_problem(stage.call(ann, "DELETE", closing), 409, "tournament_over")
    stage.price(PERPETUAL, 30_000)
    assert stage.ok(ann, "GET", f"/api/trading/positions?account={account}")[0]["leverage"] == "1"
    stage.run_due()
    assert stage.work() == []
    fees = Decimal("0.1") * (50_000 + 30_000) * stage.host.engine.market.instruments[PERPETUAL].taker_fee
    assert stage.entry(ann).final_value == 10_000 - Decimal("0.1") * 20_000 - fees
    assert differences(stage.database) == []


def test_a_kill_switch_and_an_engine_that_starts_anew_keep_nothing_open(stage: Stage, ann: SignedIn) -> None:
    tournament, [account] = started(stage, ann)
    stage.order(ann, account)
    stage.ok(ann, "POST", "/api/trading/kill-switch", {"scope": "user"})
    stage.travel(minutes=7)
    stage.run_due()
    stage.host.stop()
    assert "EngineUnavailable" in stage.work()[0]
    assert stage.get(tournament)["status"] == "closing"
    stage.host.start()
    stage.travel(minutes=1)  # the job is tried again
    assert stage.work() == []
    assert stage.get(tournament)["status"] == "finished"
    assert_problem(stage.order(ann, account), 409, "tournament_over")


def test_a_closing_that_was_given_up_is_begun_anew(stage: Stage, ann: SignedIn) -> None:
    tournament, _ = started(stage, ann)
    stage.admin_move(tournament, "end")
    with stage.database.write() as session:
        session.execute(update(models.Job).values(state="failed", finished_at=clock.now()))
    assert stage.run_due() == 1
    assert stage.run_due() == 0
    assert stage.work() == []
    assert stage.get(tournament)["status"] == "finished"


def test_a_settlement_that_was_given_up_is_begun_anew(stage: Stage, ann: SignedIn) -> None:
    tournament, [account] = started(stage, ann)
    assert stage.order(ann, account).status_code == 201
    stage.admin_move(tournament, "end")
    table = handlers(stage.worker)
    assert stage.work({kind: handler for kind, handler in table.items() if kind != prizes.JOB}) == []
    job = models.Job
    with stage.database.write() as session:
        given_up = update(job).where(job.kind == prizes.JOB, job.state == "queued")
        assert session.execute(given_up.values(state="failed", finished_at=clock.now()).returning(job.id)).all()
    assert stage.work() == []
    assert stage.rows(models.Tournament)[0].settled_at is None
    assert stage.run_due() == 1
    assert stage.run_due() == 0
    assert stage.work() == []
    assert stage.rows(models.Tournament)[0].settled_at is not None
    assert sum(row.amount for row in stage.rows(models.Award)) == 1000


def test_whoever_closes_may_be_killed_anywhere(
    stage: Stage, ann: SignedIn, ben: SignedIn, engine_bridge: OctoBotBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.tournaments.end.AT_ONCE", 1)
    tournament, (hers, his) = started(stage, ann, ben)
    stage.order(ann, hers)
    stage.order(ben, his, amount="0.03")
    last = max(row.id for row in stage.rows(models.Trade))
    stage.admin_move(tournament, "end")
    for kills in count():
        stage.price(BTC, 50_000 + 100 * kills)
        with suppress(Killed):
            close(stage, engine_bridge, f"worker {kills}", kills % 4)
            break
    # the prices and each account: a call and a transaction; then the end; before and after each of these once
    assert kills == 4 + 2 * 4 + 2
    trades = [closing_trades(stage, account, last) for account in (hers, his)]
    # those who died earlier could not keep the prices that they had been told
    assert trades == [[(BTC, "sell", Decimal(50_000 + 100 * (KEEPS_THE_PRICES - 1)))]] * 2
    assert stage.get(tournament)["status"] == "finished"
    assert [one for one, _, _ in audit_rows(stage.database)].count("tournament.finished") == 1
    assert stage.work() == []
    for who in (ann, ben):
        assert len(stage.told(who, "ended")) == 1
    assert differences(stage.database) == []


@pytest.mark.parametrize(("symbol", "kind"), [(BTC, "spot"), (PERPETUAL, "futures")])
def test_what_is_closed_at_the_end_is_nobodys_trade(
    stage: Stage, ann: SignedIn, ben: SignedIn, symbol: str, kind: str
) -> None:
    rules = {"account_type": kind, "symbols": [symbol], "prize_rules": {"min_trades": 2}}
    tournament, (hers, his) = started(stage, ann, ben, **rules)
    assert stage.order(ann, hers, symbol=symbol, amount="0.03").status_code == 201
    for _ in range(2):
        assert stage.order(ben, his, symbol=symbol, amount="0.01").status_code == 201
    stage.price(symbol, 55_000)
    stage.admin_move(tournament, "end")
    assert stage.work() == []
    ranking = stage.ok(ann, "GET", f"{TOURNAMENTS}{tournament['id']}/rankings")
    # Ann gained more, and would have two trades with the one that closed her account
    assert [(row["rank"], row["trades"], Decimal(row["volume"]), row["win_rate"]) for row in ranking] == [
        (1, 1, 1_500, None),
        (2, 2, 1_000, None),
    ]
    assert [(row.user_id, row.amount) for row in stage.rows(models.Award)] == [(ben.id, 1_000)]
    assert stage.told(ann, "prize_won") == []
    assert differences(stage.database) == []


def test_nobody_can_name_an_order_as_those_that_close(stage: Stage, ann: SignedIn) -> None:
    _, [account] = started(stage, ann)
    refused = stage.order(ann, account, client_order_id=f"{CLOSING}1")
    assert_problem(refused, 422, "validation_failed")


def test_the_marks_are_those_of_the_end_however_late_it_is_closed(
    stage: Stage, ann: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    tournament, [account] = started(stage, ann, symbols=[BTC, ETH])
    assert stage.order(ann, account).status_code == 201
    last = max(row.id for row in stage.rows(models.Trade))
    ends_at = clock.now() + timedelta(seconds=90)
    stage.ok(stage.admin, "PATCH", f"{TOURNAMENTS}{tournament['id']}", {"ends_at": stamp(ends_at)})
    present = stage.market.quote

    def quote(symbol: str, at: float) -> Quote:
        """Rise once a minute, on top of the price that was put."""
        found = present(symbol, at)
        return replace(found, price=found.price + int(at) // 60)

    monkeypatch.setattr(stage.market, "quote", quote)
    stage.travel(minutes=47)
    stage.run_due()
    assert stage.work() == []
    marks = {BTC: 50_000 + int(ends_at.timestamp()) // 60, ETH: 2_500 + int(ends_at.timestamp()) // 60}
    [row] = stage.rows(models.Tournament)
    assert msgspec.json.decode(row.marks, type=dict[str, Decimal]) == marks
    assert closing_trades(stage, account, last) == [(BTC, "sell", marks[BTC])]
    assert differences(stage.database) == []
