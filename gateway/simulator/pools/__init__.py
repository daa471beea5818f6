"""A discrete-event model of GPU pools: virtual time, integers, one seed; every figure it gives is a model's output."""
