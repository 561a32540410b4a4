"""Stand-ins for real exchanges: they speak the exchanges' protocols to the real ccxt classes, on 127.0.0.1.

`binance` and `kucoin` are the exchanges, `server` says how to run one in a test, `process` starts one as a process,
`control` steers it over HTTP, `faults` are the ways in which they fail, `book` is what is true in them.
"""
