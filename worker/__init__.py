"""The product core: everything that runs unchanged at the edge and on one machine."""
