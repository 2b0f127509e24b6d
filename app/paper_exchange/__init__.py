"""The paper exchange: a peer that speaks the Binance USD-M futures protocol and shares no code with our own client."""
