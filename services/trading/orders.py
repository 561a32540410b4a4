"""Orders and trades: changed by the engine alone, read from where it writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, select

import models
from models import Database
from models.records import order_of, orders_of, trades_of
from services.accounts.accounts import Accounts
from services.bot.readings import BotReadings
from services.paging import newest_first, oldest_first
from services.principals import Principal
from services.trading.filters import Filters
from utils.errors import Conflict, EngineTimeout, Fault, NotFound, Refused
from utils.octobot_bridge import OctoBotBridge
from utils.pages import Page
from utils.ties import adopted_name
from utils.wire import (
    Actor,
    BatchItem,
    CancelOrder,
    CancelOrders,
    EditOrder,
    ExitLeg,
    Order,
    OrderTicket,
    Placement,
    PlaceOrder,
    PlaceOrders,
    Preview,
    PreviewOrder,
    Side,
    Trade,
)

CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9_.:-]{1,48}")
_ID = re.compile(r"[0-9a-f-]{36}")
BATCH_SECONDS = 30.0
_WHAT_TO_DO = (
    "The order may or may not have been placed: repeat the request with the same Idempotency-Key, "
    "or look the order up by its client_order_id."
)
_ORDER = [column for column in models.Order.__table__.columns if column.name != "closed_at"]
_TRADE = list(models.Trade.__table__.columns)


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What an edit changes; None stays."""

    amount: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trailing_percent: Decimal | None = None
    take_profit: ExitLeg | None = None
    stop_loss: ExitLeg | None = None


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One order of a batch, or why it could not be read."""

    account: str | None = None
    ticket: OrderTicket | None = None
    refusal: Refused | None = None


class Orders:
    """Trade for users, and read what came of it. Nobody reaches an account or an order of somebody else.

    What changes something goes to the engine once and is never repeated here; see `OctoBotBridge` for its errors.
    """

    def __init__(self, database: Database, bridge: OctoBotBridge, accounts: Accounts, bot: BotReadings) -> None:
        self._database = database
        self._bridge = bridge
        self._accounts = accounts
        self._bot = bot

    def place(
        self, principal: Principal, actor: Actor, account: str | None, ticket: OrderTicket, key: str | None = None
    ) -> Order:
        """Place an order on the caller's account, the main one for None.

        :param key: the idempotency key; a repetition is answered with the first outcome.
        :raises NotFound: when the account is not the caller's. :raises Refused: with the rule it breaks.
        :raises EngineTimeout: when the outcome is unknown.
        """
        owned = self._accounts.tradable(principal, account)
        try:
            return self._bridge.place_order(
                PlaceOrder(actor=actor, account=owned.id, ticket=ticket, idempotency_key=key)
            )
        except EngineTimeout as error:
            raise EngineTimeout(f"{error.detail} {_WHAT_TO_DO}", code=error.code) from error

    def place_many(
        self, principal: Principal, actor: Actor, wishes: list[Wish], key: str | None = None
    ) -> list[Placement]:
        """Place orders on the caller's accounts, one after the other; each has an outcome of its own.

        :param key: the idempotency key of the whole batch.
        :raises Refused: `idempotency_key_reused`. :raises EngineTimeout: when the outcome of some is unknown.
        """
        items = [self._item(principal, wish) for wish in wishes]
        return self._bridge.within(BATCH_SECONDS).place_orders(
            PlaceOrders(actor=actor, orders=items, idempotency_key=key)
        )

    def _item(self, principal: Principal, wish: Wish) -> BatchItem:
        try:
            if wish.refusal is not None:
                raise wish.refusal
            return BatchItem(account=self._accounts.tradable(principal, wish.account).id, ticket=wish.ticket)
        except (Refused, NotFound, Conflict) as error:
            return BatchItem(fault=Fault.of(error))

    def preview(self, principal: Principal, account: str | None, ticket: OrderTicket) -> Preview:
        """Tell what placing would do. :raises NotFound: when the account is not the caller's."""
        owned = self._accounts.owned(principal, account)
        return self._bridge.preview_order(PreviewOrder(account=owned.id, ticket=ticket))

    def edit(self, principal: Principal, actor: Actor, order_id: str, changes: Changes) -> Order:
        """Change an open order of the caller. :raises NotFound: when they have none of this id."""
        account = self._accounts.tradable(principal, self._account_of(principal, order_id))
        return self._bridge.edit_order(
            EditOrder(
                actor=actor,
                account=account.id,
                order_id=order_id,
                amount=changes.amount,
                price=changes.price,
                stop_price=changes.stop_price,
                trailing_percent=changes.trailing_percent,
                take_profit=changes.take_profit,
                stop_loss=changes.stop_loss,
            )
        )

    def cancel(self, principal: Principal, actor: Actor, order_id: str) -> Order:
        """Cancel an open order of the caller. :raises NotFound: when they have none of this id."""
        account = self._account_of(principal, order_id)
        return self._bridge.cancel_order(CancelOrder(actor=actor, account=account, order_id=order_id))

    def cancel_all(
        self,
        principal: Principal,
        actor: Actor,
        account: str | None = None,
        *,
        symbol: str | None = None,
        side: Side | None = None,
    ) -> list[Order]:
        """Cancel the caller's open orders that match, of all their accounts for None; repeating completes it.

        :raises Conflict: `credential_other_account`: those of one account cannot be canceled through its keys.
        """
        if account is not None:
            accounts = [self._accounts.owned(principal, account).id]
        else:
            accounts = self._accounts_with_open_orders(principal)
        canceled, refusal = [], None
        for each in accounts:
            command = CancelOrders(actor=actor, account=each, symbol=symbol, side=side)
            try:
                canceled += self._bridge.cancel_orders(command)
            except Conflict as error:
                refusal = error  # the orders of the other accounts are to go all the same
        if refusal is not None:
            raise refusal
        return canceled

    def get(self, principal: Principal, order_id: str) -> Order:
        """Return an order of the caller. :raises NotFound: when they have none of this id."""
        if not _ID.fullmatch(order_id):
            raise _not_found()
        return self._one(select(*_ORDER).where(models.Order.id == order_id, models.Order.user_id == principal.user_id))

    def by_client_id(self, principal: Principal, client_order_id: str, account: str | None = None) -> Order:
        """Return the caller's newest order of this client id. :raises NotFound: when there is none."""
        if not CLIENT_ORDER_ID.fullmatch(client_order_id):
            raise _not_found()
        # an order that was adopted from its exchange after a restore has lost the id itself
        live = (each.id for each in self._accounts.all(principal) if each.mode == "live")
        names = [client_order_id, *(adopted_name(each, client_order_id) for each in live)]
        query = select(*_ORDER).where(
            models.Order.user_id == principal.user_id, models.Order.client_order_id.in_(names)
        )
        if account is not None:
            query = query.where(models.Order.account_id == self._accounts.owned(principal, account).id)
        return self._one(query.order_by(models.Order.created_at.desc(), models.Order.id.desc()).limit(1))

    def list(self, principal: Principal, filters: Filters) -> Page[Order]:
        """Return a page of the caller's orders, of all accounts unless one is named, or of the bot's that are open."""
        exchange = self._bot_exchange(principal, filters)
        if exchange is not None:
            return self._bot.orders(exchange, filters)
        query = self.listed(principal, filters)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of(orders_of(rows), filters.limit)

    def listed(self, principal: Principal, filters: Filters) -> Select[Any]:
        """Return the query of a page of the caller's orders, and of one more."""
        query = self._listed(models.Order, _ORDER, principal, filters)
        if filters.status == "all":
            return query
        closed = models.Order.closed_at
        return query.where(closed.is_(None) if filters.status == "open" else closed.is_not(None))

    def trades(self, principal: Principal, filters: Filters) -> Page[Trade]:
        """Return a page of the caller's trades, of all accounts unless one is named, or of the bot's."""
        exchange = self._bot_exchange(principal, filters)
        if exchange is not None:
            return self._bot.trades(exchange, filters)
        query = self._listed(models.Trade, _TRADE, principal, filters)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of(trades_of(rows), filters.limit)

    def _listed(
        self, table: type[models.Order | models.Trade], columns: Any, principal: Principal, filters: Filters
    ) -> Select[Any]:
        query = select(*columns).where(table.user_id == principal.user_id)
        if filters.account is not None:
            query = query.where(table.account_id == self._accounts.owned(principal, filters.account).id)
        if filters.symbol is not None:
            query = query.where(table.symbol == filters.symbol)
        if filters.side is not None:
            query = query.where(table.side == filters.side)
        if filters.after is not None:
            query = query.where(table.created_at > filters.after)
        if filters.until is not None:
            query = query.where(table.created_at <= filters.until)
        in_order = oldest_first if filters.direction == "asc" else newest_first
        return in_order(query, table, filters.cursor).limit(filters.limit + 1)

    def _bot_exchange(self, principal: Principal, filters: Filters) -> str | None:
        """Return where the bot trades whose account is meant, None when it is not one of the bot's."""
        if filters.account is None:
            return None
        account = self._accounts.seen(principal, filters.account)
        return account.exchange if account.kind == "bot" else None

    def _one(self, query: Select[Any]) -> Order:
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise _not_found()
        return order_of(row)

    def _account_of(self, principal: Principal, order_id: str) -> str:
        return self.get(principal, order_id).account

    def _accounts_with_open_orders(self, principal: Principal) -> Any:
        query = (
            select(models.Order.account_id)
            .where(models.Order.user_id == principal.user_id, models.Order.closed_at.is_(None))
            .distinct()
        )
        with self._database.read() as connection:
            return connection.execute(query).scalars().all()


def _not_found() -> NotFound:
    return NotFound("You have no such order.", code="order_not_found")
