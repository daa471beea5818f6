"""Tenants and their keys: who may ask, for how much, and how often; decided inside the tenant's own transactions."""
