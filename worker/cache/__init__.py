"""Answers kept for requests that ask the same again: what may be kept, under which key, where and for how long."""
