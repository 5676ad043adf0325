"""The training loop and what it keeps: checkpoints, moving average, logs."""
