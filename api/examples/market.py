"""Markets, and the installation itself."""

from __future__ import annotations

from typing import Any

from api.examples.story import BOUGHT, NOON

CALL = {
    "symbol": "BTC/USDT:USDT-261127-60000-C",
    "bid": "1289.4",
    "ask": "1323.1",
    "mark": "1306.202",
    "last": None,
    "implied_volatility": "0.4203",
    "delta": "0.51088",
    "gamma": "0.00012",
    "theta": "-98.45",
    "vega": "31.07",
    "rho": "5.51",
    "open_interest": "412.5",
}

MARKET: dict[str, dict[str, Any]] = {
    "Instrument": {
        "btc": {
            "symbol": "BTC/USDT",
            "exchange": "demo",
            "type": "spot",
            "base": "BTC",
            "quote": "USDT",
            "price_tick": "0.01",
            "amount_step": "0.00001",
            "min_amount": "0.00001",
            "max_amount": "9000",
            "min_cost": "5",
            "maker_fee": "0.001",
            "taker_fee": "0.0015",
            "settle": None,
            "contract_size": None,
            "linear": None,
            "max_leverage": None,
            "leverage_tiers": [],
            "index": None,
            "funding_seconds": None,
        },
        "perpetual": {
            "symbol": "BTC/USDT:USDT",
            "exchange": "demo",
            "type": "swap",
            "base": "BTC",
            "quote": "USDT",
            "price_tick": "0.1",
            "amount_step": "0.001",
            "min_amount": "0.001",
            "max_amount": "1000",
            "min_cost": "5",
            "maker_fee": "0.0002",
            "taker_fee": "0.0005",
            "settle": "USDT",
            "contract_size": "1",
            "linear": True,
            "max_leverage": "100",
            "leverage_tiers": [{"max_cost": "250000", "max_leverage": "100", "maintenance_margin_rate": "0.005"}],
            "index": "BTC/USDT",
            "funding_seconds": 28800,
        },
    },
    "Ticker": {
        "btc": {
            "symbol": "BTC/USDT",
            "exchange": "demo",
            "last": "60000",
            "bid": "59999.99",
            "ask": "60000.01",
            "high": "60750",
            "low": "59100.5",
            "volume": "1203.45",
            "change_percent": "0.84",
            "as_of": BOUGHT,
            "stale": False,
            "mark_price": None,
            "index_price": None,
            "funding_rate": None,
            "next_funding_at": None,
        }
    },
    "Candle": {
        "running": {
            "timestamp": 1795176000000,
            "time": NOON,
            "open": "59980",
            "high": "60010.5",
            "low": "59950",
            "close": "60000",
            "volume": "12.5",
            "closed": False,
        }
    },
    "OrderBook": {
        "btc": {
            "symbol": "BTC/USDT",
            "exchange": "demo",
            "bids": [{"price": "59999.99", "amount": "0.31415"}, {"price": "59996.99", "amount": "0.02718"}],
            "asks": [{"price": "60000.01", "amount": "0.16180"}, {"price": "60003.01", "amount": "0.57721"}],
            "as_of": BOUGHT,
            "stale": False,
        }
    },
    "MarketTrade": {
        "bought": {
            "id": "1795176005",
            "symbol": "BTC/USDT",
            "exchange": "demo",
            "side": "buy",
            "price": "60000",
            "amount": "0.25",
            "created_at": BOUGHT,
        }
    },
    "OptionChain": {
        "btc": {
            "symbol": "BTC/USDT",
            "exchange": "demo",
            "expiries": [
                {
                    "expiry": "2026-11-27T08:00:00Z",
                    "underlying_price": "60000",
                    "strikes": [{"strike": "60000", "call": CALL, "put": None}],
                }
            ],
            "as_of": BOUGHT,
            "stale": False,
        }
    },
    "LogRecord": {
        "warning": {
            "time": NOON,
            "level": "WARNING",
            "process": "engine",
            "logger": "engine.exchanges.market",
            "message": "the prices of binance stand still: binance does not answer.",
            "fields": {},
            "trace": None,
        }
    },
    "GatewayStatus": {
        "mute": {
            "engine_started_at": NOON,
            "loop_lag": 0.0004,
            "exchanges": [
                {
                    "exchange": "binance",
                    "state": "mute",
                    "connected": False,
                    "symbols": 1,
                    "tick_age": 1.2,
                    "price_age": 75.4,
                    "symbol_ages": {"BTC/USDT": 75.4},
                    "mute_symbols": ["BTC/USDT"],
                    "latency": 0.081,
                    "reconnects": 2,
                    "last_error": {
                        "code": "feed_mute",
                        "detail": "binance answers, but its prices do not move.",
                        "at": BOUGHT,
                    },
                    "rate_budget": {"interval": 0.05, "used": 42, "limit": None},
                }
            ],
        }
    },
    "Exchange": {"kraken": {"exchange": "kraken"}},
    "FeedStatus": {
        "connecting": {
            "exchange": "kraken",
            "state": "connecting",
            "connected": False,
            "symbols": 0,
            "tick_age": None,
            "price_age": None,
            "symbol_ages": {},
            "mute_symbols": [],
            "latency": None,
            "reconnects": 0,
            "last_error": None,
            "rate_budget": None,
        }
    },
    "DisconnectedExchange": {"kraken": {"exchange": "kraken", "resting_accounts": 2}},
    "Configuration": {
        "redacted": {
            "api": {"host": "127.0.0.1", "port": 5000, "secret_key": "[redacted]", "log_level": "INFO"},
            "bot": {"octobot_version": "2.1.1", "config": {"exchanges": {"demo": {"api-key": "[redacted]"}}}},
        }
    },
    "Liveness": {"live": {"status": "live"}},
    "Readiness": {
        "ready": {"database": "ready", "engine": "ready", "feeds": "ready", "streamer": "ready", "worker": "ready"}
    },
}
