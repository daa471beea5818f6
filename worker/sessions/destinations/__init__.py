"""Destinations that both hosts have."""
