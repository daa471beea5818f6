"""The catalogue, and the candidates and estimates made from it."""
