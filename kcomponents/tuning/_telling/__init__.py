"""What a search tells: page, table, lines, and the statistics behind them."""
