"""What lives in Redis: the admission window, the rate budget, live events, market data, dispatch hints."""
