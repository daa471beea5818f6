"""The description of the HTTP surfaces in OpenAPI 3.1: one module for each, and one that puts them together."""
