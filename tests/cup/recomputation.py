"""What came of a tournament, recomputed from its trades alone, and what of it is not as it was told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from models import Balance, Database, LedgerEntry, Order, Participant, Trade
from tests.books import differences
from utils.wire import CLOSING


@dataclass
class Hand:
    """What somebody's trades come to, by average cost."""

    cash: Decimal
    trades: int = 0
    wins: int = 0
    losses: int = 0
    volume: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        self.held: dict[str, tuple[Decimal, Decimal]] = {}

    def trade(self, trade: Any, *, is_own: bool) -> None:
        """Book one fill; what closed the account at the end is no trade of its owner's, and is not counted."""
        amount, cost, fee = Decimal(trade["amount"]), Decimal(trade["cost"]), Decimal(trade["fee"]["cost"])
        assert trade["fee"]["currency"] == "USDT", trade
        had, paid = self.held.get(trade["symbol"], (Decimal(0), Decimal(0)))
        if trade["side"] == "buy":
            self.cash -= cost + fee
            self.held[trade["symbol"]] = had + amount, paid + cost + fee
        else:
            self.cash += cost - fee
            part = paid * amount / had
            self.held[trade["symbol"]] = had - amount, paid - part
            gained = cost - fee > part
            self.wins += gained and is_own
            self.losses += is_own and not gained
        self.trades += is_own
        self.volume += cost if is_own else 0


@dataclass
class Played:
    """What the product told of a tournament, and how it was played."""

    tournament: Any
    rankings: list[Any]
    prizes: list[Any]
    own: dict[str, Any]
    """What each participant was told of themselves, by account."""
    trades: dict[str, list[Any]]
    """Every fill, by account, oldest first."""
    told: dict[str, Counter[str]]
    """How often each participant was told what of tournaments, by account."""
    orders: int
    refusals: Counter[str]
    killed: list[str]
    seconds: dict[str, float]
    isolated: bool

    def faults(self, database: Database) -> list[str]:
        """Return, in words, whatever is not as an independent recomputation has it; nothing is what it should be."""
        closing = _closing(database)
        hands = {account: self._hand(trades, closing) for account, trades in self.trades.items()}
        found = [
            *differences(database),
            *self._books(database, hands),
            *self._marks(database),
            *self._ranks(hands),
            *self._pool(),
            *self._news(),
        ]
        return found if self.isolated else [*found, "somebody reached another's account, or filled their own"]

    def _hand(self, trades: list[Any], closing: set[str]) -> Hand:
        hand = Hand(cash=Decimal(self.tournament["starting_balance"]))
        for trade in trades:
            hand.trade(trade, is_own=trade["order_id"] not in closing)
        return hand

    def _books(self, database: Database, hands: dict[str, Hand]) -> Iterator[str]:
        """Hold trades, ledger and balances against what everybody had at the end."""
        with database.read() as connection:
            entries = connection.execute(select(Participant.account_id, Participant.final_value)).all()
            booked: Counter[tuple[str, str]] = Counter()
            for row in connection.execute(select(LedgerEntry.account_id, LedgerEntry.currency, LedgerEntry.amount)):
                booked[row.account_id, row.currency] += row.amount
            balances = {
                (row.account_id, row.currency): row.total
                for row in connection.execute(select(Balance.account_id, Balance.currency, Balance.total))
            }
        if {entry.account_id for entry in entries} != hands.keys():
            yield "others take part than those who played"
        for account, final in entries:
            hand = hands[account]
            if not hand.cash == final == booked[account, "USDT"] == balances.get((account, "USDT")):
                yield f"{account}: {hand.cash} by trades, {final} at the end, {booked[account, 'USDT']} in the ledger"
            if any(amount for amount, _ in hand.held.values()):
                yield f"{account} holds {hand.held}"

    def _marks(self, database: Database) -> Iterator[str]:
        """Hold what was closed at the end against one price for all."""
        trade, order = Trade, Order
        query = select(trade.symbol, trade.side, trade.price).join(order, order.id == trade.order_id)
        with database.read() as connection:
            closed = set(connection.execute(query.where(order.client_order_id.startswith(CLOSING))))
        if sorted(symbol for symbol, _, _ in closed) != self.tournament["symbols"]:
            yield f"not every market was closed at one price: {closed}"

    def _ranks(self, hands: dict[str, Hand]) -> Iterator[str]:
        """Hold the ranking against returns, trades, volume and win rate by trades; drawdown and time break ties."""
        told = {account: own["ranking"] for account, own in self.own.items()}
        order = sorted(
            hands, key=lambda each: (-hands[each].cash, Decimal(told[each]["max_drawdown"]), told[each]["rank"])
        )
        start = Decimal(self.tournament["starting_balance"])
        for rank, account in enumerate(order, start=1):
            hand, row = hands[account], told[account]
            closed = hand.wins + hand.losses
            expected = {
                "rank": rank,
                "value": hand.cash,
                "trades": hand.trades,
                "volume": hand.volume,
                "return_percent": round((hand.cash / start - 1) * 100, 4),
                "win_rate": round(Decimal(hand.wins) * 100 / closed, 4) if closed else None,
            }
            found = {
                name: row[name] if isinstance(row[name], int) or row[name] is None else Decimal(row[name])
                for name in expected
            }
            if found != expected:
                yield f"{account} is told {found}, by its trades {expected}"
        if [row["participant"] for row in self.rankings] != [told[account]["participant"] for account in order]:
            yield "the ranking is in another order than the participants' own ranks"

    def _pool(self) -> Iterator[str]:
        """Hold the prizes against the pool and the ranking."""
        pool = Decimal(self.tournament["prize_pool"])
        if sum((Decimal(prize["amount"]) for prize in self.prizes), Decimal(0)) != pool:
            yield f"the prizes {self.prizes} do not sum to {pool}"
        fewest = self.tournament["prize_rules"]["min_trades"]
        winners = [row["user"] for row in self.rankings if row["trades"] >= fewest][:3]
        if [prize["user"] for prize in self.prizes] != winners:
            yield f"the prizes {self.prizes} are not those of {winners}"

    def _news(self) -> Iterator[str]:
        """Hold what everybody was told against what there was to tell: each thing once."""
        winners = {prize["user"] for prize in self.prizes}
        for account, told in self.told.items():
            expected = Counter(["joined", "started", "ended"])
            expected["prize_won"] = self.own[account]["ranking"]["user"] in winners
            if told != expected:
                yield f"{account} was told {told} instead of {expected}"


def _closing(database: Database) -> set[str]:
    """Return the orders that closed accounts at the end."""
    with database.read() as connection:
        return set(connection.execute(select(Order.id).where(Order.client_order_id.startswith(CLOSING))).scalars())
