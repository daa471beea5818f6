"""hosted.ai's panel APIs and the pods behind them, played by the pool model; no GPU is used and no model runs."""
