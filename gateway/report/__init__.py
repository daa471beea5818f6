"""What recorded decisions say of a gateway in use: facts, figures, and the forms they are shown in."""
