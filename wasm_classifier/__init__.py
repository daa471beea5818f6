"""How hard is a request, decided from its bytes before any model is called. Pure; imports only the standard library."""
