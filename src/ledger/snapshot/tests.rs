//! Copies taken anywhere in a story, read back, and the log replayed behind them: the living state again.
